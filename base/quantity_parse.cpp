#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "base/quantity_text.hpp"

namespace moesaic {
namespace {

// In units of B, B/s, FLOP/s, s, W, J, J/B, $, $/h; beyond them, products of a few would leave the range of doubles.
constexpr double kSmallest = 1e-30, kLargest = 1e30;

struct Scale {
  std::string_view text;
  double factor;
};

constexpr Scale kSmall[] = {{"n", 1e-9}, {"u", 1e-6}, {"\u00B5", 1e-6}, {"\u03BC", 1e-6}, {"m", 1e-3}};
constexpr Scale kLarge[] = {{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}};
constexpr Scale kBinary[] = {{"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}};
constexpr Scale kPerFlop[] = {{"pJ/FLOP", 1e-12}, {"nJ/FLOP", 1e-9}};
constexpr Scale kTimes[] = {{"min", 60}, {"h", 3600}};
constexpr Scale kAreas[] = {{"mm2", 1e-6}, {"cm2", 1e-4}};
constexpr Scale kPicojoules[] = {{"pJ", 1e-12}};
constexpr Scale kPicojoulesEach[] = {{"pJ/B", 1e-12}, {"pJ/b", 8e-12}, {"pJ/bit", 8e-12}};  // papers count bits

// How one dimension is written. Prefixes that nobody means (a "Ms" is a mistyped "ms") are foreign.
struct Notation {
  std::string_view noun;
  std::string_view unit;  // the first choice, then its other spellings
  std::span<const std::string_view> spellings;
  bool small, large, binary;
  std::span<const Scale> whole;  // units of their own, without prefix
  std::string_view example;      // for messages
};

constexpr std::string_view kFlopRates[] = {"FLOPS", "FLOPs/s"};
constexpr Notation kSeconds{"a time", "s", {}, true, false, false, kTimes, "4 us"};
constexpr Notation kBytes{"a size", "B", {}, false, true, true, {}, "80 GiB"};
constexpr Notation kBandwidth{"a bandwidth", "B/s", {}, false, true, true, {}, "3.35 TB/s"};
constexpr Notation kFlopRate{"a rate of arithmetic", "FLOP/s", kFlopRates, false, true, false, {}, "989 TFLOP/s"};
constexpr Notation kPower{"a power", "W", {}, true, true, false, {}, "700 W"};
constexpr Notation kEnergy{"an energy", "J", {}, true, true, false, kPicojoules, "0.909 nJ"};
constexpr Notation kEnergyPerByte{
    "an energy per bit or byte", "J/B", {}, true, false, false, kPicojoulesEach, "0.44 pJ/b"};
constexpr Notation kPrice{"a price", "$/h", {}, false, false, false, {}, "$2.50/h"};
constexpr Notation kMoney{"an amount", "$", {}, false, false, false, {}, "$20487"};
constexpr Notation kEnergyOfFlops{
    "an energy of arithmetic", "J/FLOP", {}, false, false, false, kPerFlop, "0.23 pJ/FLOP"};
constexpr Notation kArea{"an area", "m2", {}, false, false, false, kAreas, "89 mm2"};
constexpr Notation kMoneyAfterDollar{"an amount", "", {}, false, false, false, {}, "$20487"};
constexpr Notation kPriceAfterDollar{"a price", "/h", {}, false, false, false, {}, "$2.50/h"};

std::string_view trim(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

std::vector<Scale> prefixes(const Notation& notation) {
  std::vector<Scale> result{{"", 1}};
  const auto add = [&](std::span<const Scale> more) { result.insert(result.end(), more.begin(), more.end()); };
  if (notation.small) {
    add(kSmall);
  }
  if (notation.large) {
    add(kLarge);
  }
  if (notation.binary) {
    add(kBinary);
  }
  return result;
}

std::optional<double> unit_factor(std::string_view unit, const Notation& notation) {
  for (const Scale& whole : notation.whole) {
    if (unit == whole.text) {
      return whole.factor;
    }
  }
  const auto prefixed = [&](std::string_view spelling) -> std::optional<double> {
    if (!unit.ends_with(spelling)) {
      return std::nullopt;
    }
    for (const Scale& prefix : prefixes(notation)) {
      if (unit.substr(0, unit.size() - spelling.size()) == prefix.text) {
        return prefix.factor;
      }
    }
    return std::nullopt;
  };
  std::optional<double> factor = prefixed(notation.unit);
  for (std::size_t i = 0; i < notation.spellings.size() && !factor; ++i) {
    factor = prefixed(notation.spellings[i]);
  }
  return factor;
}

std::vector<std::string> known_units(const Notation& notation) {
  std::vector<std::string> units;
  for (const Scale& prefix : prefixes(notation)) {
    units.push_back(std::string(prefix.text) + std::string(notation.unit));
  }
  for (const Scale& whole : notation.whole) {
    units.emplace_back(whole.text);
  }
  return units;
}

[[noreturn]] void refuse(std::string_view text, const Notation& notation, std::string_view reason) {
  throw UserError(fmt::format("\"{}\" is not {}: {}; write for example \"{}\"", printable(text), notation.noun, reason,
                              notation.example));
}

[[noreturn]] void refuse_unit(std::string_view text, std::string_view unit, const Notation& notation) {
  if (unit.empty()) {
    refuse(text, notation, "the unit is missing");
  }
  const bool bits = notation.unit.starts_with('B') &&
                    (unit.ends_with('b') || unit.ends_with("b/s") || unit.ends_with("bps") || unit.ends_with("bit/s"));
  if (bits) {
    refuse(text, notation, fmt::format("'{}' counts bits; divide by 8 for bytes, B", printable(unit)));
  }
  const auto per_second = std::string(unit) + "/s";
  const auto nearest = unit_factor(per_second, notation) ? per_second : nearest_name(unit, known_units(notation));
  refuse(text, notation,
         fmt::format("unit '{}' does not fit{}", printable(unit),
                     nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : ""));
}

// `text` is what messages show, `rest` the part of it that holds number and unit.
double parse(std::string_view text, std::string_view rest, const Notation& notation) {
  rest = trim(rest);
  if (rest.empty()) {
    refuse(text, notation, "the number is missing");
  }
  if (rest.front() == '-') {
    refuse(text, notation, "it is negative");
  }
  const bool digit = (rest.front() >= '0' && rest.front() <= '9') || rest.front() == '.';
  double number = 0;
  const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (!digit || status == std::errc::invalid_argument) {
    refuse(text, notation, "it does not begin with a finite number");
  }
  const std::string_view unit = trim(rest.substr(static_cast<std::size_t>(end - rest.data())));
  const auto factor = unit_factor(unit, notation);
  if (!factor) {
    refuse_unit(text, unit, notation);
  }
  const double value = number * *factor;
  if (status == std::errc::result_out_of_range || value > kLargest || (number > 0 && value < kSmallest)) {
    refuse(text, notation, "the number is out of range");
  }
  return value;
}

double parse(std::string_view text, const Notation& notation) { return parse(text, text, notation); }

// The sign stands before the number, or with the unit.
double parse_dollars(std::string_view text, const Notation& with_unit, const Notation& after_sign) {
  std::string_view rest = trim(text);
  const bool leading = rest.starts_with('$');
  if (leading) {
    rest.remove_prefix(1);
  }
  return parse(text, rest, leading ? after_sign : with_unit);
}

}  // namespace

template <>
Seconds parse_quantity<Seconds>(std::string_view text) {
  return {parse(text, kSeconds)};
}
template <>
Bytes parse_quantity<Bytes>(std::string_view text) {
  return {parse(text, kBytes)};
}
template <>
BytesPerSecond parse_quantity<BytesPerSecond>(std::string_view text) {
  return {parse(text, kBandwidth)};
}
template <>
FlopsPerSecond parse_quantity<FlopsPerSecond>(std::string_view text) {
  return {parse(text, kFlopRate)};
}
template <>
Watts parse_quantity<Watts>(std::string_view text) {
  return {parse(text, kPower)};
}
template <>
Joules parse_quantity<Joules>(std::string_view text) {
  return {parse(text, kEnergy)};
}
template <>
JoulesPerByte parse_quantity<JoulesPerByte>(std::string_view text) {
  return {parse(text, kEnergyPerByte)};
}
template <>
JoulesPerFlop parse_quantity<JoulesPerFlop>(std::string_view text) {
  return {parse(text, kEnergyOfFlops)};
}
template <>
Area parse_quantity<Area>(std::string_view text) {
  return {parse(text, kArea)};
}
template <>
DollarsPerSecond parse_quantity<DollarsPerSecond>(std::string_view text) {
  return {parse_dollars(text, kPrice, kPriceAfterDollar) / 3600};
}
template <>
Dollars parse_quantity<Dollars>(std::string_view text) {
  return {parse_dollars(text, kMoney, kMoneyAfterDollar)};
}

}  // namespace moesaic
