// Spelling help for error messages.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace moesaic {

/// The candidate with the smallest edit distance to `name` (case-insensitive), if it is close enough to be meant.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates);

/// " (did you mean 'x'?)" or, when nothing is near, "; allowed: a, b, c".
std::string suggest(std::string_view name, std::span<const std::string> candidates);

}  // namespace moesaic
