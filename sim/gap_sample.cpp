#include "sim/gap_sample.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {

void GapSample::add(Seconds gap, std::int64_t times) { add(StepRamp{gap, Seconds{}, 1}, times); }

void GapSample::add(const StepRamp& ramp, std::int64_t times) {
  if (ramp.steps < 1 || times < 1) {
    return;
  }
  const double least = std::min(ramp.first, ramp.at(ramp.steps - 1)).value;
  MOESAIC_ASSERT(least >= 0);
  runs_.push_back({least, std::abs(ramp.increment.value), ramp.steps, times});
  size_ += ramp.steps * times;
  sum_ += ramp.total().value * static_cast<double>(times);
}

Seconds GapSample::mean() const {
  MOESAIC_ASSERT(size_ > 0);
  return Seconds{sum_ / static_cast<double>(size_)};
}

std::int64_t GapSample::not_above(double value) const {
  std::int64_t count = 0;
  for (const Run& run : runs_) {
    if (run.least > value) {
      continue;
    }
    const double above = value - run.least, last = run.increment * static_cast<double>(run.steps - 1);
    const std::int64_t steps =
        above >= last ? run.steps : 1 + static_cast<std::int64_t>(std::floor(above / run.increment));
    count += std::min(steps, run.steps) * run.times;
  }
  return count;
}

/// The smallest value that more than `rank` of the sample are not above. Doubles that are not negative are ordered as
/// their bits are.
double GapSample::ordered(std::int64_t rank) const {
  double most = 0;
  for (const Run& run : runs_) {
    most = std::max(most, run.least + run.increment * static_cast<double>(run.steps - 1));
  }
  auto low = std::bit_cast<std::uint64_t>(0.0), high = std::bit_cast<std::uint64_t>(std::nextafter(most, INFINITY));
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (not_above(std::bit_cast<double>(middle)) > rank) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return std::bit_cast<double>(high);
}

Seconds GapSample::percentile(double fraction) const {
  MOESAIC_ASSERT(size_ > 0 && fraction >= 0 && fraction <= 1);
  const double rank = fraction * static_cast<double>(size_ - 1);
  const auto below = static_cast<std::int64_t>(rank);
  const double share = rank - static_cast<double>(below), value = ordered(below);
  return Seconds{share > 0 ? std::lerp(value, ordered(below + 1), share) : value};
}

}  // namespace moesaic
