// Private to base: strict reading of JSON text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace moesaic::detail {

inline constexpr int kDeepestNesting = 100;

/// Parses JSON, keeping the order of members. Throws UserError "ORIGIN: line L, column C: ..." for malformed text, and
/// refuses duplicate keys, numbers that are out of range and nesting deeper than kDeepestNesting.
nlohmann::ordered_json read_json(std::string_view text, std::string_view origin);

}  // namespace moesaic::detail
