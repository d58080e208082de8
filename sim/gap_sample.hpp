// A sample of times of which most come in runs: percentiles without writing it out.
#pragma once

#include <cstdint>
#include <vector>

#include "base/quantity.hpp"
#include "sim/step_curve.hpp"

namespace moesaic {

/// Times between tokens: of every step as many as requests saw it.
class GapSample {
 public:
  void add(Seconds gap, std::int64_t times);
  /// Every step of the ramp, seen by `times` requests.
  void add(const StepRamp& ramp, std::int64_t times);

  std::int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Seconds mean() const;
  /// As percentile() of base/statistics.hpp of the sample written out. Not of an empty one.
  Seconds percentile(double fraction) const;

 private:
  struct Run {
    double least;
    double increment;  ///< not negative
    std::int64_t steps;
    std::int64_t times;
  };
  std::int64_t not_above(double value) const;
  double ordered(std::int64_t rank) const;

  std::vector<Run> runs_;
  std::int64_t size_ = 0;
  double sum_ = 0;
};

}  // namespace moesaic
