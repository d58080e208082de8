// moesaic validate hybrid: published tables of CPU-GPU systems beside predictions.
#pragma once

#include <string>

#include "apps/validate.hpp"

namespace moesaic {

void add_validate_hybrid(CLI::App& validate, ValidateHybridOptions& options);
/// Throws UserError.
void validate_hybrid(const ValidateHybridOptions& options, const Console& console);

}  // namespace moesaic
