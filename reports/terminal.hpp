// Colours and bars of a terminal; plain ASCII when the style is not rich.
#pragma once

#include <string>
#include <string_view>

#include "reports/report.hpp"

namespace moesaic {

enum class Paint : unsigned char { none, heading, good, bad, dim, limit, gap };

/// `text` in a colour, or as it is when the style is not rich.
std::string paint(std::string_view text, Paint paint, const TextStyle& style);

inline constexpr int kFullBar = 20;  ///< characters

/// A bar from `from` to `to`, both shares of `width` characters (clamped to 0..1); anything above zero shows.
std::string bar(double from, double to, int width, const TextStyle& style);

/// Columns that `text` takes on a terminal: code points, escape sequences left out.
std::size_t display_width(std::string_view text);

}  // namespace moesaic
