// Quantities as people write them: "3.35 TB/s", "80 GiB", "989 TFLOP/s", "4 us", "700 W", "$2.50/h".
#pragma once

#include <string>
#include <string_view>

#include "base/quantity.hpp"

namespace moesaic {

/// Parses a number with its unit. Decimal prefixes k M G T P are powers of 1000, Ki Mi Gi Ti powers of 1024; the space
/// between number and unit is optional. Throws UserError on a missing or foreign unit, a negative, infinite or NaN
/// value; the message names what was found and an example of what is allowed.
template <class Q>
Q parse_quantity(std::string_view text);

template <>
Seconds parse_quantity<Seconds>(std::string_view text);
template <>
Bytes parse_quantity<Bytes>(std::string_view text);
template <>
BytesPerSecond parse_quantity<BytesPerSecond>(std::string_view text);
template <>
FlopsPerSecond parse_quantity<FlopsPerSecond>(std::string_view text);
template <>
Watts parse_quantity<Watts>(std::string_view text);
template <>
Joules parse_quantity<Joules>(std::string_view text);  ///< also "pJ"
template <>
JoulesPerByte parse_quantity<JoulesPerByte>(std::string_view text);  ///< written "0.44 pJ/b" (a bit) or "3.5 pJ/B"
template <>
DollarsPerSecond parse_quantity<DollarsPerSecond>(std::string_view text);  ///< written "$2.50/h" or "2.50 $/h"
template <>
Dollars parse_quantity<Dollars>(std::string_view text);  ///< written "$20487" or "20487 $"

template <>
JoulesPerFlop parse_quantity<JoulesPerFlop>(std::string_view text);  ///< written "0.23 pJ/FLOP"
template <>
Area parse_quantity<Area>(std::string_view text);  ///< written "89 mm2"

/// Short text for people, three to four significant digits: "3.35 TB/s", "80.0 GB", "12.3 ms".
std::string to_text(Seconds value);
std::string to_text(Bytes value);  ///< decimal prefixes (GB = 1e9)
std::string to_text(Flops value);
std::string to_text(BytesPerSecond value);
std::string to_text(FlopsPerSecond value);
std::string to_text(FlopsPerByte value);
std::string to_text(Watts value);
std::string to_text(Joules value);
std::string to_text(Area value);  ///< in square millimetres
std::string to_text(Dollars value);

}  // namespace moesaic
