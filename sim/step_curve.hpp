// How long a decode step takes over its context, as few straight pieces, so that many steps are one sum.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// Steps one after another whose times rise evenly: first, first + increment, ...
struct StepRamp {
  Seconds first{};
  Seconds increment{};
  std::int64_t steps = 0;
  Seconds at(std::int64_t step) const { return first + increment * static_cast<double>(step); }
  Seconds sum(std::int64_t count) const {
    const auto k = static_cast<double>(count);
    return first * k + increment * (k * (k - 1) / 2);
  }
  Seconds total() const { return sum(steps); }
};

/// A function of the context that is nearly straight: evaluated at few points and taken as straight between them. A
/// piece is halved until its middle is within a hundredth of a percent of the line, or it is two tokens wide.
class StepCurve {
 public:
  explicit StepCurve(std::function<Seconds(double)> exact) : exact_(std::move(exact)) {}
  /// The steps at contexts from, from + 1, ...: the first straight part of them, `most` at most.
  StepRamp ramp(double from, std::int64_t most);

 private:
  struct Point {
    double context;
    double seconds;
  };
  const std::vector<Point>& piece_of(double context);
  void refine(const Point& low, const Point& high, std::vector<Point>& points) const;
  Point evaluate(double context) const { return {context, exact_(context).value}; }

  std::function<Seconds(double)> exact_;
  std::map<std::int64_t, std::vector<Point>> cells_;  ///< quarters of powers of two
};

/// The fewest of the ramp's steps after which `pause` is over; all of them if it is not over by then.
std::int64_t steps_until(const StepRamp& ramp, Seconds pause);

}  // namespace moesaic
