#include "model/expert_use.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace moesaic {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Chance that an expert is used when `rows` rows are drawn without replacement and `mine` of them are its own on
// average. Infinite `rows`: when its own average is all that is known.
double chance_used(double mine, double slots, double rows) {
  const double draws = std::min(slots, rows);
  if (draws == kInfinity) {
    return -std::expm1(-mine);
  }
  const double each = mine / draws / (1 - (draws - 1) * mine / (2 * slots * rows));
  return each < 1 ? -std::expm1(draws * std::log1p(-each)) : 1;
}

}  // namespace

ExpertSlots expert_slots(double mean, double variance) {
  const double missing = mean - variance;  // of a Poisson count's variance
  const double slots = missing > 1e-12 * mean ? mean * mean / missing : kInfinity;
  return {slots, mean / (1 - std::min(mean / slots, 1 - 1e-9))};
}

double expected_used(std::span<const ExpertSlots> experts, std::span<const std::size_t> chosen, double rows,
                     bool fixed) {
  if (!(rows > 0)) {
    return 0;
  }
  double log_tilt = 0, tilt = 1;
  const auto mean = [&](const ExpertSlots& expert) {
    return expert.odds * tilt / (1 + expert.odds * tilt / expert.slots);
  };
  for (int iteration = 0; iteration < 20; ++iteration) {  // Newton
    double total = 0, slope = 0;
    for (const std::size_t e : chosen) {
      const double mine = mean(experts[e]);
      total += mine;
      slope += mine * (1 - mine / experts[e].slots);
    }
    if (std::abs(total - rows) < 1e-4 * rows || slope <= 0) {
      break;
    }
    log_tilt += std::clamp((rows - total) / slope, -2.0, 2.0);
    tilt = std::exp(log_tilt);
  }
  const double known = fixed ? rows : kInfinity;
  const double sum = std::transform_reduce(chosen.begin(), chosen.end(), 0.0, std::plus<>(), [&](std::size_t e) {
    return experts[e].odds > 0 ? chance_used(mean(experts[e]), experts[e].slots, known) : 0;
  });
  return std::min({sum, rows, static_cast<double>(chosen.size())});
}

double expected_used(ExpertSlots expert, double count, double rows, bool fixed) {
  return rows > 0 ? std::min(count * chance_used(rows / count, expert.slots, fixed ? rows : kInfinity), rows) : 0;
}

}  // namespace moesaic
