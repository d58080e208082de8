// How sure a prediction is, from the spreads of the costs it sums.
#pragma once

#include <array>

#include "calibrate/cost_model.hpp"

namespace moesaic {

/// Seconds of a phase by operator kind, and their standard deviations. Errors of one kind have the same sign, so that
/// deviations add up within a kind; kinds are independent.
struct KindSpreads {
  std::array<double, kOperatorKindCount> seconds{};
  std::array<double, kOperatorKindCount> deviation{};

  void add(const KindSpreads& other, double weight);
  /// Relative standard deviation of the sum of all kinds.
  double relative() const;
};

/// Of the tasks of one step, each on its own.
KindSpreads kind_spreads(const StepGraph& graph, const MachineView& view, const CostModel& cost);

/// Factors around a predicted time that hold the true one with a chance of a half, and of nine tenths.
struct Interval {
  double low50 = 1, high50 = 1;
  double low90 = 1, high90 = 1;
};
/// Log-normal, of this relative standard deviation, and not below `least`: the limit's share of the predicted time.
Interval interval_of(double relative, double least = 0);

}  // namespace moesaic
