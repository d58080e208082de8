#include "base/quantity_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

namespace moesaic {
namespace {

struct Step {
  double factor;
  std::string_view unit;
};

// Three significant digits and no exponent from 0.001 to 99999; more digits for larger whole numbers.
std::string digits(double value) {
  const double size = std::abs(value);
  if (size == 0) {
    return "0";
  }
  if (size < 1e-3 || size >= 99999.5) {
    return fmt::format("{:.3g}", value);
  }
  const int decimals = size < 0.00995  ? 5
                       : size < 0.0995 ? 4
                       : size < 0.995  ? 3
                       : size < 9.995  ? 2
                       : size < 99.95  ? 1
                                       : 0;
  return fmt::format("{:.{}f}", value, decimals);
}

// The largest step whose number is at least 1 after rounding, else the smallest step.
std::string scaled(double value, std::span<const Step> steps) {
  std::size_t chosen = 0;
  while (chosen + 1 < steps.size() && std::abs(value) >= 0.9995 * steps[chosen + 1].factor) {
    ++chosen;
  }
  return fmt::format("{} {}", digits(value / steps[chosen].factor), steps[chosen].unit);
}

// As scaled(), but a whole number of units below 1000 is written as it is: "12 B".
std::string counted(double value, std::span<const Step> steps) {
  if (std::abs(value) < 1000 && value == std::floor(value)) {
    return fmt::format("{:.0f} {}", value + 0.0, steps[0].unit);
  }
  return scaled(value, steps);
}

constexpr Step kTimeSteps[] = {{1e-9, "ns"}, {1e-6, "us"}, {1e-3, "ms"}, {1, "s"}};
constexpr Step kLongTimeSteps[] = {{1, "s"}, {120, "min"}, {7200, "h"}};
constexpr Step kSizeSteps[] = {{1, "B"}, {1e3, "kB"}, {1e6, "MB"}, {1e9, "GB"}, {1e12, "TB"}, {1e15, "PB"}};
constexpr Step kCountSteps[] = {{1, "FLOP"},    {1e3, "kFLOP"},  {1e6, "MFLOP"},
                                {1e9, "GFLOP"}, {1e12, "TFLOP"}, {1e15, "PFLOP"}};
constexpr Step kEnergySteps[] = {{1e-12, "pJ"}, {1e-9, "nJ"}, {1e-6, "uJ"}, {1e-3, "mJ"},
                                 {1, "J"},      {1e3, "kJ"},  {1e6, "MJ"}};
constexpr Step kPowerSteps[] = {{1e-3, "mW"}, {1, "W"}, {1e3, "kW"}, {1e6, "MW"}};

}  // namespace

std::string to_text(Seconds value) {
  const double size = std::abs(value.value);
  if (size >= kLongTimeSteps[2].factor) {
    return digits(value.value / 3600) + " h";
  }
  if (size >= kLongTimeSteps[1].factor) {
    return digits(value.value / 60) + " min";
  }
  return size == 0 ? "0 s" : scaled(value.value, kTimeSteps);
}

std::string to_text(Bytes value) { return counted(value.value, kSizeSteps); }

std::string to_text(Flops value) { return counted(value.value, kCountSteps); }

std::string to_text(BytesPerSecond value) { return counted(value.value, kSizeSteps) + "/s"; }

std::string to_text(FlopsPerSecond value) { return counted(value.value, kCountSteps) + "/s"; }

std::string to_text(FlopsPerByte value) { return digits(value.value) + " FLOP/B"; }

std::string to_text(Watts value) { return value.value == 0 ? "0 W" : scaled(value.value, kPowerSteps); }

std::string to_text(Joules value) { return value.value == 0 ? "0 J" : scaled(value.value, kEnergySteps); }

std::string to_text(Area value) { return digits(value.value * 1e6) + " mm2"; }

std::string to_text(Dollars value) {
  const double size = std::abs(value.value);
  const std::string number = size == 0 || (size >= 0.995 && size < 1e9) ? fmt::format("{:.2f}", size) : digits(size);
  return (value.value < 0 ? "-$" : "$") + number;
}

}  // namespace moesaic
