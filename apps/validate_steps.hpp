// moesaic validate steps: deploys what was measured, has it judged, writes the reports.
#pragma once

#include <string>

#include "apps/validate.hpp"

namespace moesaic {

/// Throws UserError.
void validate_steps(const ValidateStepsOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
