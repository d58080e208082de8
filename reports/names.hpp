// Words for people: resources by their path, and numbers without a unit of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/quantity.hpp"

namespace moesaic {

/// "device.memory.bandwidth" -> "memory bandwidth"; a path that is not a machine figure stays as it is.
std::string resource_name(std::string_view path);
/// "memory bandwidth (device.memory.bandwidth)", or the path alone when it has no other name.
std::string resource_label(std::string_view path);
/// Whether less of the figure is better.
bool is_latency(std::string_view path);

/// "4,096"; up to three digits of a fraction. Not finite: "-".
std::string count_text(double value);
/// "4,096".
std::string integer_text(std::int64_t value);
/// A rate such as tokens per second, three or more digits: "12,345", "94.2".
std::string rate_text(PerSecond rate);
/// FLOP per byte without its unit; "-" where nothing is computed or nothing moved.
std::string ratio_text(FlopsPerByte value);
/// 0.571 -> "57.1%". Not finite: "-".
std::string percent_text(double fraction);

/// The same with its sign: "+2.7%".
std::string signed_percent(double fraction);

}  // namespace moesaic
