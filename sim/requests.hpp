// Requests of a serving run: how long each is, and when it comes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// Tokens of a prompt or of an answer, drawn for each request by itself.
struct LengthDistribution {
  enum class Kind : std::uint8_t { constant, gaussian, uniform };
  Kind kind = Kind::constant;
  double first = 1;   ///< constant: the length; gaussian: the mean; uniform: the least
  double second = 0;  ///< gaussian: the standard deviation; uniform: the most
};
/// "1024", "gaussian:1024:256", "uniform:100:2000"; `option` names it in messages. Throws UserError.
LengthDistribution parse_lengths(const std::string& option, const std::string& text);
std::string to_text(const LengthDistribution& lengths);

struct RequestLengths {
  std::int64_t input = 1;   ///< prompt tokens
  std::int64_t output = 1;  ///< generated tokens
};

struct RequestLoad {
  LengthDistribution input;
  LengthDistribution output;
  std::vector<RequestLengths> trace{};  ///< if not empty, taken in turn and over again, instead of the distributions
  std::optional<PerSecond> rate{};      ///< of Poisson arrivals; none: a closed loop
  std::uint64_t seed = 1;
};

struct MeanLengths {
  double input = 1, output = 1;
};
/// Of a Gaussian its own mean, which lengths below 1 being drawn again raises a little.
MeanLengths mean_lengths(const RequestLoad& load);
/// The most prompt tokens; of a Gaussian the mean.
double longest_prompt(const RequestLoad& load);

/// Every number is a function of (seed, request): the same whatever is asked before, so that runs under another rate or
/// on another machine serve the same requests.
class RequestSource {
 public:
  /// Throws UserError for a rate or a length that is none.
  explicit RequestSource(RequestLoad load);
  /// A Gaussian length is rounded, and drawn again while it is below 1; a uniform one is any whole number from the
  /// least to the most.
  RequestLengths lengths(std::uint32_t request) const;
  /// Between the arrivals of the request before and of this one: exponential. Only of Poisson arrivals.
  Seconds pause_before(std::uint32_t request) const;
  /// In [0, 1): how far a request of a closed loop is where the loop is entered.
  double phase(std::uint32_t request) const;
  const RequestLoad& load() const { return load_; }

 private:
  RequestLoad load_;
};

}  // namespace moesaic
