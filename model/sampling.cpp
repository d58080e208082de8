#include "model/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

// Each expert e rings after an exponential time of rate w_e; the first k to ring are a sample drawn by popularity
// without replacement (Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir"). Expert e is among
// them if fewer than k others rang before it:
//   p_e = integral over t of w_e exp(-w_e t) P(fewer than k of the others rang by t).
// How many rang by t is Poisson-binomial; the experts before e and those after e are convolved separately.

namespace moesaic {
namespace {

constexpr double kNegligibleChance = 1e-10;
constexpr double kChanceTolerance =
    1e-7;  // by which halving the step may change a probability; what is left is 1/15 of it
constexpr int kFewestIntervals = 64, kMostIntervals = 8192;

// Adds one event of probability p to the distribution of a count; counts of size() or more drop out.
void add_event(std::span<double> chances, double p) {
  double arriving = 0;
  for (double& chance : chances) {
    const double leaving = chance * p;
    chance = chance * (1 - p) + arriving;
    arriving = leaving;
  }
}

class Race {
 public:
  Race(std::span<const double> rates, std::size_t count)
      : rates_(rates), count_(count), before_(rates.size() * count), chances_(count) {}

  // P(fewer than `count` of all rang by t).
  double unfinished(double t) {
    start();
    for (const double rate : rates_) {
      add_event(chances_, -std::expm1(-rate * t));
    }
    return std::accumulate(chances_.begin(), chances_.end(), 0.0);
  }

  // log t at which unfinished(t) falls to `level`; the rates' largest is 1.
  double log_time(double level) {
    double low = -40, high = 1;
    while (unfinished(std::exp(high)) > level && high < 600) {
      high *= 2;
    }
    while (high - low > 1e-2) {
      const double middle = (low + high) / 2;
      (unfinished(std::exp(middle)) > level ? low : high) = middle;
    }
    return (low + high) / 2;
  }

  // sum[e] += weight * P(e rings at t, and fewer than `count` others before) per unit of log t.
  void add_arrivals(double t, double weight, std::span<double> sum) {
    start();
    for (std::size_t e = 0; e < rates_.size(); ++e) {
      std::copy(chances_.begin(), chances_.end(), before_.begin() + static_cast<std::ptrdiff_t>(e * count_));
      add_event(chances_, -std::expm1(-rates_[e] * t));
    }
    start();
    for (std::size_t e = rates_.size(); e-- > 0;) {
      double at_most = 0, few = 0;  // of those after e; of all others
      for (std::size_t j = 0; j < count_; ++j) {
        at_most += chances_[j];
        few += before_[e * count_ + count_ - 1 - j] * at_most;
      }
      sum[e] += weight * rates_[e] * t * std::exp(-rates_[e] * t) * few;
      add_event(chances_, -std::expm1(-rates_[e] * t));
    }
  }

 private:
  void start() {
    std::fill(chances_.begin(), chances_.end(), 0.0);
    chances_[0] = 1;
  }

  std::span<const double> rates_;
  std::size_t count_;
  std::vector<double> before_;   // for each expert, how many of those before it rang
  std::vector<double> chances_;  // that 0, 1, ... count-1 of the experts so far rang
};

}  // namespace

std::vector<double> inclusion_probabilities(std::span<const double> popularity, std::int64_t count) {
  const auto k = static_cast<std::size_t>(count);
  const double largest = *std::max_element(popularity.begin(), popularity.end());
  std::vector<double> rates(popularity.begin(), popularity.end());
  std::for_each(rates.begin(), rates.end(), [&](double& rate) { rate /= largest; });
  std::vector<double> inclusion(rates.size());
  const auto positive = [](double rate) { return rate > 0; };
  if (k == 1) {
    inclusion = rates;
  } else if (static_cast<std::size_t>(std::count_if(rates.begin(), rates.end(), positive)) <= k) {
    std::transform(rates.begin(), rates.end(), inclusion.begin(), [&](double rate) { return positive(rate) ? 1 : 0; });
  } else {
    Race race(rates, k);
    const double first = race.log_time(1 - kNegligibleChance);  // before it, whoever rings is among the first k
    const double last = race.log_time(kNegligibleChance);
    double change = 1;
    for (int intervals = kFewestIntervals; change > kChanceTolerance && intervals <= kMostIntervals; intervals *= 2) {
      std::vector<double> finer(rates.size());
      std::transform(rates.begin(), rates.end(), finer.begin(),
                     [&](double rate) { return -std::expm1(-rate * std::exp(first)); });
      const double step = (last - first) / intervals;
      for (int i = 0; i <= intervals; ++i) {  // Simpson's rule in log t
        const double simpson = i == 0 || i == intervals ? 1 : i % 2 == 1 ? 4 : 2;
        race.add_arrivals(std::exp(first + i * step), simpson * step / 3, finer);
      }
      change = std::transform_reduce(
          finer.begin(), finer.end(), inclusion.begin(), 0.0, [](double a, double b) { return std::max(a, b); },
          [](double a, double b) { return std::abs(a - b); });
      inclusion.swap(finer);
    }
  }
  const double scale = static_cast<double>(count) / std::accumulate(inclusion.begin(), inclusion.end(), 0.0);
  std::for_each(inclusion.begin(), inclusion.end(), [&](double& p) { p = std::min(p * scale, 1.0); });
  return inclusion;
}

std::vector<double> draw_spreads(std::span<const double> inclusion, std::int64_t count) {
  std::vector<double> spreads(inclusion.begin(), inclusion.end());
  if (count == 1) {
    return spreads;
  }
  const auto experts = static_cast<double>(inclusion.size());
  std::for_each(spreads.begin(), spreads.end(),
                [&](double& c) { c *= (1 - c) * experts / std::max(experts - 1, 1.0); });
  for (int iteration = 0; iteration < 30; ++iteration) {
    const double sum = std::accumulate(spreads.begin(), spreads.end(), 0.0);
    if (sum <= 0) {
      break;
    }
    for (std::size_t e = 0; e < spreads.size(); ++e) {
      spreads[e] = spreads[e] * spreads[e] / sum + inclusion[e] * (1 - inclusion[e]);
    }
  }
  return spreads;
}

}  // namespace moesaic
