// Documents against the schemas in configs/schema.
#pragma once

#include <string>

namespace moesaic {

/// Empty if the JSON text fits configs/schema/`schema_file`, else where it does not, one line each.
std::string violation(const std::string& schema_file, const std::string& document);

}  // namespace moesaic
