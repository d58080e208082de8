#include "model/placement_settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {

std::size_t read_word(const Config& config, std::span<const std::string_view> words) {
  const std::string word = config.string();
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    config.fail(fmt::format("unknown \"{}\"; one of {}{}", printable(word), fmt::join(words, ", "),
                            suggest(word, std::vector<std::string>(words.begin(), words.end()))));
  }
  return static_cast<std::size_t>(found - words.begin());
}

Config with_settings(Config config, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    const auto equals = change.find('=');
    MOESAIC_ASSERT(equals != std::string::npos);
    config = config.set(change.substr(0, equals), change.substr(equals + 1));
  }
  return config;
}

}  // namespace moesaic
