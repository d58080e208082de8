#include "base/amount.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.hpp"
#include "base/quantity_text.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kRange = " to ";

template <class Q>
std::optional<double> scale_of(const std::string& unit) {
  try {
    return parse_quantity<Q>("1 " + unit).value;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

/// SI units of one `unit`, 1 for a word that is no unit.
double factor_of(const std::string& unit) {
  if (unit == "%") {
    return 0.01;
  }
  for (const auto scale : {scale_of<Seconds>, scale_of<Bytes>, scale_of<BytesPerSecond>, scale_of<FlopsPerSecond>,
                           scale_of<Watts>, scale_of<DollarsPerSecond>}) {
    if (const auto factor = unit.empty() ? std::nullopt : scale(unit)) {
      return *factor;
    }
  }
  return 1;
}

/// The number at the start of `text`, thousands separated by commas or not; how many characters it takes, and how many
/// stand behind the point.
struct Number {
  double value = 0;
  std::size_t length = 0;
  int decimals = 0;
};

Number leading_number(std::string_view text, std::string_view whole) {
  const std::size_t end = std::min(text.find_first_not_of("+-0123456789.,eE"), text.size());
  std::string digits(text.substr(0, end));
  // "1e9" has an exponent; the E of a unit that follows a number without blank has no digit behind it.
  while (!digits.empty() && (digits.back() == 'e' || digits.back() == 'E')) {
    digits.pop_back();
  }
  const std::size_t length = digits.size();
  std::erase(digits, ',');
  double value = 0;
  const char* first = digits.data() + (digits.starts_with('+') ? 1 : 0);
  const auto [last, error] = std::from_chars(first, digits.data() + digits.size(), value);
  if (error != std::errc{} || last != digits.data() + digits.size() || !std::isfinite(value)) {
    throw UserError(
        fmt::format("\"{}\" does not begin with a number; write for example \"120.96 us\", \"4.96x\" or "
                    "\"3.0 to 6.0\"",
                    printable(whole)));
  }
  const auto point = digits.find('.');
  const auto exponent = std::min(digits.find_first_of("eE"), digits.size());
  return {value, length, point == digits.npos ? 0 : static_cast<int>(exponent - point - 1)};
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

bool Amount::prints(double value) const {
  if (most > least) {
    return value >= least && value <= most;
  }
  const double scale = std::pow(10.0, decimals), half = 0.5 + 1e-9;  // a half may be rounded up or down
  return std::abs(printed(value) - printed(least)) * scale <= half;
}

Amount parse_amount(std::string_view text) {
  const std::string_view trimmed = without_blanks(text);
  const auto range = trimmed.find(kRange);
  const Number first = leading_number(trimmed, text);
  const std::string_view rest = range == trimmed.npos ? trimmed : without_blanks(trimmed.substr(range + kRange.size()));
  const Number last = range == trimmed.npos ? first : leading_number(rest, text);
  Amount amount;
  amount.unit = std::string(without_blanks(rest.substr(last.length)));
  amount.factor = factor_of(amount.unit);
  amount.least = first.value * amount.factor;
  amount.most = last.value * amount.factor;
  amount.decimals = std::max(first.decimals, last.decimals);
  if (amount.most < amount.least) {
    throw UserError(fmt::format("\"{}\" is a range that ends below its beginning", printable(text)));
  }
  return amount;
}

std::string to_text(const Amount& amount, double value) {
  const double shown = amount.printed(value);
  int decimals = amount.decimals + (amount.prints(value) ? 0 : 1);
  if (shown != 0 && std::abs(shown) < std::pow(10.0, -decimals)) {
    decimals += 2;
  }
  const bool glued = amount.unit == "%" || amount.unit == "x";
  return fmt::format("{:.{}f}{}{}", shown, decimals, glued || amount.unit.empty() ? "" : " ", amount.unit);
}

}  // namespace moesaic
