#include "base/error.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace moesaic {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Length of the well-formed multi-byte UTF-8 sequence at the start of `text`, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length || (lead == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0)) {
    return 0;  // U+0080 to U+009F are control characters
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) {
      return 0;
    }
  }
  return length;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  while (!text.empty()) {
    std::size_t length = 1;
    std::string piece;
    const auto c = static_cast<unsigned char>(text[0]);
    if (c == '\n' || c == '\t' || c == '\r') {
      piece = c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
    } else if (c < 0x20 || c == 0x7F) {
      piece = fmt::format("\\x{:02x}", c);
    } else if (c < 0x80) {
      piece = text[0];
    } else if ((length = utf8_length(text)) > 0) {
      piece = text.substr(0, length);
    } else {
      length = 1;
      piece = fmt::format("\\x{:02x}", c);
    }
    if (result.size() + piece.size() > limit) {
      return result + "...";
    }
    result += piece;
    text.remove_prefix(length);
  }
  return result;
}

namespace detail {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "moesaic: internal error at %s:%d: '%s' does not hold. Please report this.\n", file, line,
               condition);
  std::abort();
}

}  // namespace detail
}  // namespace moesaic
