#include "hw/dram/shared_bundles.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// One side's visit: where it is next, and since when it could go there.
struct Side {
  BundleTimes times;
  std::size_t bundle = 0;
  Seconds free{};

  void skip_unused() {
    while (bundle < times.size() && !(times[bundle] > Seconds{})) {
      ++bundle;
    }
  }
  bool done() const { return bundle == times.size(); }
};

}  // namespace

std::vector<Seconds> spread_over(Seconds time, std::span<const int> bundles, int count) {
  MOESAIC_ASSERT(!bundles.empty());
  std::vector<Seconds> times(static_cast<std::size_t>(count));
  for (const int bundle : bundles) {
    MOESAIC_ASSERT(bundle >= 0 && bundle < count);
    times[static_cast<std::size_t>(bundle)] += time / static_cast<double>(bundles.size());
  }
  return times;
}

Seconds together_at_best(BundleTimes first, BundleTimes second) {
  MOESAIC_ASSERT(first.size() == second.size());
  Seconds longest = std::max(std::accumulate(first.begin(), first.end(), Seconds{}),
                             std::accumulate(second.begin(), second.end(), Seconds{}));
  for (std::size_t bundle = 0; bundle < first.size(); ++bundle) {
    longest = std::max(longest, first[bundle] + second[bundle]);
  }
  return longest;
}

std::array<Seconds, 2> together_in_order(BundleTimes first, BundleTimes second) {
  MOESAIC_ASSERT(first.size() == second.size());
  std::array<Side, 2> sides{Side{first}, Side{second}};
  std::vector<Seconds> left(first.size());  // when the last visitor left each bundle
  for (;;) {
    int next = -1;
    Seconds begins{};
    for (int i = 0; i < 2; ++i) {
      Side& side = sides[static_cast<std::size_t>(i)];
      side.skip_unused();
      if (side.done()) {
        continue;
      }
      const Seconds may = std::max(side.free, left[side.bundle]);
      if (next < 0 || may < begins) {
        next = i;
        begins = may;
      }
    }
    if (next < 0) {
      return {sides[0].free, sides[1].free};
    }
    Side& side = sides[static_cast<std::size_t>(next)];
    side.free = left[side.bundle] = begins + side.times[side.bundle];
    ++side.bundle;
  }
}

}  // namespace moesaic
