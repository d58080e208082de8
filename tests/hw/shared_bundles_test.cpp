// Two streams over the bundles of one memory: conflicts only slow, and the best order is as good as the formula says.
#include "hw/dram/shared_bundles.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

namespace moesaic {
namespace {

using Times = std::vector<Seconds>;

constexpr int kSpaces = 4;

Times draw_times() {
  Times times;
  for (int i = 0; i < kSpaces; ++i) {
    times.push_back(Seconds{static_cast<double>(*rc::gen::inRange(0, 12))});
  }
  return times;
}

Seconds sum(const Times& times) { return std::accumulate(times.begin(), times.end(), Seconds{}); }
Seconds last(const std::array<Seconds, 2>& ends) { return std::max(ends[0], ends[1]); }

/// The shortest over all pairs of orders, each side waiting where the other is: by events, without the formula.
Seconds shortest(const Times& first, const Times& second) {
  std::array<int, kSpaces> order{0, 1, 2, 3};
  const auto run = [&](const std::array<int, kSpaces>& a, const std::array<int, kSpaces>& b) {
    std::array<double, kSpaces> left{};
    std::array<double, 2> free{};
    std::array<std::size_t, 2> at{};
    while (at[0] < kSpaces || at[1] < kSpaces) {
      const auto begins = [&](std::size_t side) {
        const auto& way = side == 0 ? a : b;
        return at[side] == kSpaces ? 1e9 : std::max(free[side], left[static_cast<std::size_t>(way[at[side]])]);
      };
      const std::size_t side = begins(1) < begins(0) ? 1 : 0;
      const auto space = static_cast<std::size_t>((side == 0 ? a : b)[at[side]++]);
      const double end = std::max(free[side], left[space]) + (side == 0 ? first : second)[space].value;
      free[side] = left[space] = end;
    }
    return std::max(free[0], free[1]);
  };
  double best = 1e9;
  auto a = order;
  do {
    auto b = order;
    do {
      best = std::min(best, run(a, b));
    } while (std::next_permutation(b.begin(), b.end()));
  } while (std::next_permutation(a.begin(), a.end()));
  return Seconds{best};
}

RC_GTEST_PROP(SharedBundles, NoOrderBeatsTheBestAndOneReachesIt, ()) {
  const Times first = draw_times(), second = draw_times();
  RC_ASSERT(together_at_best(first, second) == shortest(first, second));
}

RC_GTEST_PROP(SharedBundles, ConflictsOnlySlow, ()) {
  const Times first = draw_times(), second = draw_times();
  const auto ends = together_in_order(first, second);
  RC_ASSERT(ends[0] >= sum(first));
  RC_ASSERT(ends[1] >= sum(second));
  RC_ASSERT(last(ends) >= together_at_best(first, second));
  RC_ASSERT(last(ends) <= sum(first) + sum(second));
}

RC_GTEST_PROP(SharedBundles, DisjointBundlesRunAtFullRate, ()) {
  Times first = draw_times(), second = draw_times();
  for (std::size_t i = 0; i < kSpaces; ++i) {
    (*rc::gen::arbitrary<bool>() ? first : second)[i] = Seconds{};
  }
  const auto ends = together_in_order(first, second);
  RC_ASSERT(ends[0] == sum(first));
  RC_ASSERT(ends[1] == sum(second));
  RC_ASSERT(together_at_best(first, second) == last(ends));
}

// One bundle for both: the second waits for the first. Duplex's four spaces with the keys and values of decoding in
// three of them and those of prompts in the fourth: no conflict.
TEST(SharedBundles, WorkedExamples) {
  const Times one = spread_over(Seconds{3}, std::array{2}, kSpaces);
  EXPECT_EQ(together_in_order(one, one), (std::array{Seconds{3}, Seconds{6}}));
  EXPECT_EQ(together_at_best(one, one), Seconds{6});
  const Times decode = spread_over(Seconds{3}, std::array{0, 1, 2}, kSpaces);
  const Times prefill = spread_over(Seconds{5}, std::array{3}, kSpaces);
  EXPECT_EQ(together_at_best(decode, prefill), Seconds{5});
  const Times all = spread_over(Seconds{4}, std::array{0, 1, 2, 3}, kSpaces);
  EXPECT_EQ(together_at_best(all, all), Seconds{4});  // each a space ahead of the other
}

}  // namespace
}  // namespace moesaic
