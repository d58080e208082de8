// Two streams at once over the bundles of one memory (processor and PIM): a bundle that one side reads is not there for
// the other. Conflicts only slow.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// A stream's time in each bundle (or memory space: one bundle index of all channels), when it runs alone. It is in one
/// at a time.
using BundleTimes = std::span<const Seconds>;

/// `time` spread evenly over those of `count` bundles that are named (at least one).
std::vector<Seconds> spread_over(Seconds time, std::span<const int> bundles, int count);

/// When both are through, if they visit bundles in the best order: the larger of each side's own time and the longest
/// that any one bundle is in use. No order is shorter and some order is as short: an open shop of two machines
/// (Gonzalez and Sahni, J. ACM 23(4), 1976). Disjoint bundles: both at full rate. Both spans have the same size.
Seconds together_at_best(BundleTimes first, BundleTimes second);

/// When each is through if nobody arranges it: both visit bundles in their order, and wait where the other is; the
/// first goes ahead where both come at once.
std::array<Seconds, 2> together_in_order(BundleTimes first, BundleTimes second);

}  // namespace moesaic
