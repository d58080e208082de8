// What tests ask of a report's text.
#pragma once

#include <string>

#include "reports/report.hpp"

namespace moesaic {

inline constexpr TextStyle kPlain{false}, kRich{true};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// How often `part` is in `text`.
inline int count(const std::string& text, const std::string& part) {
  int result = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
    ++result;
  }
  return result;
}

}  // namespace moesaic
