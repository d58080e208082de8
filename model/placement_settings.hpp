// Private to model: what descriptions of placements have in common.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.hpp"

namespace moesaic {

/// Which of `words` it is. Throws UserError with the nearest.
std::size_t read_word(const Config& config, std::span<const std::string_view> words);

/// "PATH=VALUE" changes. Throws UserError where a path is unknown.
Config with_settings(Config config, const std::vector<std::string>& changes);

}  // namespace moesaic
