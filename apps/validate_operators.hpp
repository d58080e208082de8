// moesaic validate operators: reads measurements, has them judged, writes the reports.
#pragma once

#include <string>

#include "apps/validate.hpp"

namespace moesaic {

/// Throws UserError.
void validate_operators(const ValidateOperatorsOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
