// moesaic validate collectives: reads measured collectives and exchanges, has them judged, writes the reports.
#pragma once

#include <string>

#include "apps/validate.hpp"

namespace moesaic {

/// Adds "collectives" to `validate`.
void add_validate_collectives(CLI::App& validate, ValidateCollectivesOptions& options);

/// Throws UserError.
void validate_collectives(const ValidateCollectivesOptions& options, const std::string& command,
                          const Console& console);

}  // namespace moesaic
