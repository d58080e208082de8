#include "reports/terminal.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

std::string_view escape_sequence(Paint paint) {
  switch (paint) {
    case Paint::heading:
      return "\x1b[1m";
    case Paint::good:
      return "\x1b[32m";
    case Paint::bad:
      return "\x1b[1;31m";
    case Paint::dim:
      return "\x1b[2m";
    case Paint::limit:
      return "\x1b[34m";
    case Paint::gap:
      return "\x1b[33m";
    case Paint::none:
      break;
  }
  return "";
}

}  // namespace

std::string paint(std::string_view text, Paint paint, const TextStyle& style) {
  const std::string_view start = escape_sequence(paint);
  if (!style.rich || start.empty() || text.empty()) {
    return std::string(text);
  }
  return std::string(start).append(text).append("\x1b[0m");
}

std::string bar(double from, double to, int width, const TextStyle& style) {
  if (!(to > from) || width <= 0) {
    return "";
  }
  const auto cell = [width](double share) {
    return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width)));
  };
  const int first = std::min(cell(from), width - 1);
  const int last = std::max(cell(to), first + 1);
  std::string result(static_cast<std::size_t>(first), ' ');
  for (int i = first; i < last; ++i) {
    result += style.rich ? "\u2588" : "#";
  }
  return result;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = std::min(text.find('m', i), text.size() - 1);
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

}  // namespace moesaic
