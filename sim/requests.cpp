#include "sim/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numbers>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/random_words.hpp"

namespace moesaic {
namespace {

constexpr double kMostRequestTokens = 1 << 28;
constexpr std::array<const char*, 3> kLengthNames = {"constant", "gaussian", "uniform"};

// What a request's words are for, so that none serves two purposes.
enum Purpose : std::uint32_t { kInput, kOutput, kArrival, kPhase };

double number(const std::string& option, const std::string& whole, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UserError(
        fmt::format("{}: '{}' in '{}' is not a number; a length is for example 1024, gaussian:1024:256 or "
                    "uniform:100:2000",
                    option, printable(text), printable(whole)));
  }
  return value;
}

void check_tokens(const std::string& option, const char* what, double value, bool whole) {
  if (!(value >= 1) || value > kMostRequestTokens || (whole && value != std::floor(value))) {
    throw UserError(fmt::format("{}: {} {:g} is not a {}number of tokens from 1 to {}", option, what, value,
                                whole ? "whole " : "", static_cast<std::int64_t>(kMostRequestTokens)));
  }
}

/// Uniform in (0, 1), of 53 bits.
double fraction(Draws& draws) {
  const std::uint64_t high = draws.word(), low = draws.word();
  return (static_cast<double>((high << 32 | low) >> 12) + 0.5) * 0x1p-52;
}

std::int64_t draw(const LengthDistribution& lengths, Draws draws) {
  switch (lengths.kind) {
    case LengthDistribution::Kind::constant:
      break;
    case LengthDistribution::Kind::uniform: {
      const double count = lengths.second - lengths.first + 1;
      return static_cast<std::int64_t>(lengths.first + std::floor(fraction(draws) * count));
    }
    case LengthDistribution::Kind::gaussian:
      // The mean is 1 at least, so that every other draw counts.
      for (;;) {
        const double radius = std::sqrt(-2 * std::log(fraction(draws)));  // Box and Muller 1958
        const double normal = radius * std::cos(2 * std::numbers::pi * fraction(draws));
        const double length = std::round(lengths.first + lengths.second * normal);
        if (length >= 1) {
          return static_cast<std::int64_t>(std::min(length, kMostRequestTokens));
        }
      }
  }
  return static_cast<std::int64_t>(lengths.first);
}

}  // namespace

LengthDistribution parse_lengths(const std::string& option, const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(':', from), text.size());
    words.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  if (words.size() == 1 && (text.empty() || std::isalpha(static_cast<unsigned char>(text.front())) == 0)) {
    const LengthDistribution lengths{LengthDistribution::Kind::constant, number(option, text, text), 0};
    check_tokens(option, "the length", lengths.first, true);
    return lengths;
  }
  const std::vector<std::string> names(kLengthNames.begin() + 1, kLengthNames.end());
  if (words[0] != names[0] && words[0] != names[1]) {
    throw UserError(
        fmt::format("{}: unknown distribution '{}'{}", option, printable(words[0]), suggest(words[0], names)));
  }
  const bool gaussian = words[0] == names[0];
  if (words.size() != 3) {
    throw UserError(fmt::format("{}: '{}' is not {}", option, printable(text),
                                gaussian ? "gaussian:MEAN:DEVIATION" : "uniform:LEAST:MOST"));
  }
  const LengthDistribution lengths{gaussian ? LengthDistribution::Kind::gaussian : LengthDistribution::Kind::uniform,
                                   number(option, text, words[1]), number(option, text, words[2])};
  if (gaussian) {
    check_tokens(option, "the mean", lengths.first, false);
    if (!(lengths.second >= 0) || lengths.second > kMostRequestTokens) {
      throw UserError(fmt::format("{}: the standard deviation {:g} is not from 0 to {}", option, lengths.second,
                                  static_cast<std::int64_t>(kMostRequestTokens)));
    }
    return lengths;
  }
  check_tokens(option, "the least", lengths.first, true);
  check_tokens(option, "the most", lengths.second, true);
  if (lengths.second < lengths.first) {
    throw UserError(fmt::format("{}: the most, {:g}, is below the least, {:g}", option, lengths.second, lengths.first));
  }
  return lengths;
}

std::string to_text(const LengthDistribution& lengths) {
  if (lengths.kind == LengthDistribution::Kind::constant) {
    return fmt::format("{}", lengths.first);
  }
  return fmt::format("{}:{}:{}", kLengthNames[static_cast<std::size_t>(lengths.kind)], lengths.first, lengths.second);
}

MeanLengths mean_lengths(const RequestLoad& load) {
  if (load.trace.empty()) {
    const auto mean = [](const LengthDistribution& lengths) {
      return lengths.kind == LengthDistribution::Kind::uniform ? (lengths.first + lengths.second) / 2 : lengths.first;
    };
    return {mean(load.input), mean(load.output)};
  }
  MeanLengths sum{0, 0};
  for (const RequestLengths& each : load.trace) {
    sum.input += static_cast<double>(each.input);
    sum.output += static_cast<double>(each.output);
  }
  const auto count = static_cast<double>(load.trace.size());
  return {sum.input / count, sum.output / count};
}

double longest_prompt(const RequestLoad& load) {
  if (load.trace.empty()) {
    return load.input.kind == LengthDistribution::Kind::uniform ? load.input.second : load.input.first;
  }
  return static_cast<double>(
      std::max_element(load.trace.begin(), load.trace.end(), [](const RequestLengths& a, const RequestLengths& b) {
        return a.input < b.input;
      })->input);
}

RequestSource::RequestSource(RequestLoad load) : load_(std::move(load)) {
  if (load_.rate && !(load_.rate->value > 0 && std::isfinite(load_.rate->value))) {
    throw UserError(fmt::format("--rate: {:g} requests per second is not above zero; leave it out for a closed loop",
                                load_.rate->value));
  }
  for (const RequestLengths& each : load_.trace) {
    MOESAIC_ASSERT(each.input >= 1 && each.output >= 1);
  }
}

RequestLengths RequestSource::lengths(std::uint32_t request) const {
  if (!load_.trace.empty()) {
    return load_.trace[request % load_.trace.size()];
  }
  return {draw(load_.input, Draws(load_.seed, kInput, request)),
          draw(load_.output, Draws(load_.seed, kOutput, request))};
}

Seconds RequestSource::pause_before(std::uint32_t request) const {
  MOESAIC_ASSERT(load_.rate);
  Draws draws(load_.seed, kArrival, request);
  return Seconds{-std::log(fraction(draws)) / load_.rate->value};
}

double RequestSource::phase(std::uint32_t request) const {
  Draws draws(load_.seed, kPhase, request);
  return fraction(draws);
}

}  // namespace moesaic
