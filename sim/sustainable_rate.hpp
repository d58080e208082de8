// The highest rate of Poisson arrivals that a machine keeps up with, and at which its latencies hold.
#pragma once

#include <vector>

#include "sim/serving_figures.hpp"

namespace moesaic {

struct TriedRate {
  PerSecond rate{};
  double grown = 0;  ///< see ServingRecord
  bool kept_up = false;
  bool held = false;  ///< all goals
  ServingFigures figures;
  bool sustained() const { return kept_up && held; }
};

struct SustainableRate {
  PerSecond saturated{};         ///< requests per second of a closed loop of as many requests as may run at once
  PerSecond rate{};              ///< the highest found; 0: not even the lowest that was tried
  std::vector<TriedRate> tried;  ///< in the order of trying
  ServingRecord record;          ///< at `rate`
  bool stopped = false;
};

/// Bisection to a half percent, from the closed loop's throughput on. At every rate the same requests come in the same
/// order with the same pauses, stretched. A rate is kept up with if the last counted request finds no more waiting than
/// the first one did, up to the standard deviation of a Poisson count of so many arrivals, its square root: take
/// 10,000 requests to tell a rate to one percent. `load`'s own rate is not read. `progress`: see serve().
SustainableRate sustainable_rate(const ServingLoad& load, const ServingSystem& system,
                                 const std::vector<ServingGoal>& goals, const ServingProgress& progress = {});

}  // namespace moesaic
