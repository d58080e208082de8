// "; the nearest that works is KEY=DEGREE": the end of messages about mappings.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace moesaic {

/// "; the nearest that works is KEY=DEGREE", for messages; `none` where none does.
template <class Works>
std::string nearest_degree(std::string_view key, int wanted, int most, const std::string& none, Works works) {
  for (int distance = 1; distance <= std::max(wanted, most); ++distance) {
    for (const int candidate : {wanted - distance, wanted + distance}) {
      if (candidate >= 1 && candidate <= most && works(candidate)) {
        return "; the nearest that works is " + std::string(key) + "=" + std::to_string(candidate);
      }
    }
  }
  return none;
}

}  // namespace moesaic
