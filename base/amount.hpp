// A number as a paper prints it: "120.96 us", "2,048", "14.8K tokens/s", "4.96x", "3.0 to 6.0".
#pragma once

#include <string>
#include <string_view>

namespace moesaic {

/// A printed number with its unit. Units of quantity_text.hpp scale to SI; "%" is a hundredth; any other word is only a
/// label.
struct Amount {
  double least = 0;    ///< in SI units
  double most = 0;     ///< above `least` where a range is printed
  double factor = 1;   ///< SI units of one printed unit
  int decimals = 0;    ///< printed behind the point
  std::string unit{};  ///< as printed, without the number
  double printed(double value) const { return value / factor; }
  /// Whether `value`, rounded to the printed decimals, is the printed number (or lies in the range).
  bool prints(double value) const;
};

/// Throws UserError, which says what is wrong with `text`.
Amount parse_amount(std::string_view text);
/// `value` with as many decimals as the amount has, and one more where it does not print the same, with its unit.
std::string to_text(const Amount& amount, double value);

}  // namespace moesaic
