// Experts on ranks: what every placement keeps, and how well the balanced one balances.
#include "model/expert_placement.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/routing.hpp"
#include "tests/model/draw.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

using Slots = std::vector<std::int32_t>;

TEST(Placement, BlocksAndRounds) {
  EXPECT_EQ(contiguous_placement(6, 0, {3, 3}).slots, (Slots{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(round_robin_placement(6, 0, {3, 3}).slots, (Slots{0, 3, 1, 4, 2, 5}));
  // Two redundant slots hold experts 0 and 1 again.
  EXPECT_EQ(contiguous_placement(6, 2, {4, 2}).slots, (Slots{0, 1, 2, 3, 4, 5, 0, 1}));
  EXPECT_EQ(round_robin_placement(6, 2, {4, 2}).slots, (Slots{0, 4, 1, 5, 2, 0, 3, 1}));
}

TEST(Placement, MistakesSayWhatWouldFit) {
  const auto message = [](std::int64_t experts, std::int64_t redundant, const RankGrid& grid) {
    return user_error([&] { slots_of_rank(experts, redundant, grid); });
  };
  EXPECT_EQ(message(256, 0, {320, 8}),
            "expert placement: 320 ranks are more than 256 experts and 0 redundant ones; add at least 64 redundant "
            "experts");
  EXPECT_EQ(message(256, 32, {64, 8}),
            "expert placement: 256 experts and 32 redundant ones do not fill 64 ranks evenly; nearest numbers of "
            "redundant experts: 0 and 64");
  EXPECT_EQ(message(8, 0, {3, 1}),
            "expert placement: 8 experts and 0 redundant ones do not fill 3 ranks evenly; nearest numbers of redundant "
            "experts: 1");
  EXPECT_EQ(message(8, 0, {6, 4}), "expert placement: 6 ranks do not fill nodes of 4; ranks must be a multiple of it");
  EXPECT_EQ(message(8, 0, {0, 1}), "expert placement: 0 ranks; allowed: 1 to 4096");
}

TEST(Balanced, WorkedExample) {
  // Loads 8 4 2 2 on two ranks of three slots: expert 0 is copied (4 4 4 2 2), then again as the first of the heaviest
  // (three of 8/3). To the lighter rank with room: 4 | 8/3 8/3, then 8/3 to the first, 2 to the second, the last 2 to
  // the first.
  const std::vector<double> loads = {8, 4, 2, 2};
  const ExpertPlacement placement = balanced_placement(loads, 2, {2, 2});
  const std::vector<double> ranks = rank_loads(placement, loads);
  EXPECT_NEAR(std::accumulate(ranks.begin(), ranks.end(), 0.0), 16, 1e-12);
  EXPECT_EQ(std::count(placement.slots.begin(), placement.slots.end(), 0), 3);
  EXPECT_NEAR(*std::max_element(ranks.begin(), ranks.end()), 4 + 8.0 / 3 + 2, 1e-12);
}

TEST(Balanced, IsThePublishedExample) {
  // github.com/deepseek-ai/EPLB, README: two layers of 12 experts in 4 groups, 4 redundant ones, 2 nodes of 4 ranks.
  // Slots of a rank are sorted here.
  const RankGrid grid{8, 4};
  EXPECT_EQ(
      balanced_placement(std::vector<double>{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86}, 4, grid, 4).slots,
      (Slots{5, 6, 5, 7, 4, 8, 3, 4, 9, 10, 2, 10, 0, 1, 1, 11}));
  EXPECT_EQ(
      balanced_placement(std::vector<double>{20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}, 4, grid, 4).slots,
      (Slots{7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 1, 5, 0, 5, 1, 3}));
}

TEST(Balanced, GroupsStayOnOneNode) {
  const Routing routing = Routing::zipf(64, 6, 1.0);
  const ExpertPlacement placement = balanced_placement(routing.inclusion(), 32, {16, 4}, 8);
  for (std::int64_t group = 0; group < 8; ++group) {
    std::vector<std::int64_t> nodes;
    for (std::int64_t rank = 0; rank < 16; ++rank) {
      for (const std::int32_t expert : placement.rank_slots(rank)) {
        if (expert / 8 == group) {
          nodes.push_back(placement.grid.node(rank));
        }
      }
    }
    EXPECT_EQ(std::adjacent_find(nodes.begin(), nodes.end(), std::not_equal_to<>()), nodes.end()) << group;
  }
}

TEST(Balanced, EnoughCopiesBalanceAnything) {
  // A copy carries at most load/copies; with R copies the heaviest copy is near total/(E + R), and packs of many even
  // lighter ones come close to the mean.
  const Routing routing = Routing::zipf(64, 8, 1.2);
  const double none = imbalance(rank_loads(balanced_placement(routing.inclusion(), 0, {16, 8}), routing.inclusion()));
  double before = none;
  for (const std::int64_t redundant : {64, 192, 960, 8128}) {
    const double now =
        imbalance(rank_loads(balanced_placement(routing.inclusion(), redundant, {16, 8}), routing.inclusion()));
    EXPECT_LE(now, before + 1e-3) << redundant;
    before = now;
  }
  EXPECT_GT(none, 1.05);
  EXPECT_LT(before, 1.002);
}

RC_GTEST_PROP(Balanced, FillsEverySlotAndKeepsTheLoad, ()) {
  const RankGrid grid{.ranks = any_of<std::int64_t>({1, 2, 4, 8, 16}), .per_node = 1};
  const RankGrid nodes{grid.ranks, *rc::gen::suchThat(rc::gen::inRange<std::int64_t>(1, grid.ranks + 1),
                                                      [&](std::int64_t n) { return grid.ranks % n == 0; })};
  const std::int64_t experts = grid.ranks * up_to(6), redundant = grid.ranks * (up_to(4) - 1);
  const auto loads = *rc::gen::container<std::vector<double>>(
      static_cast<std::size_t>(experts), rc::gen::map(rc::gen::inRange(0, 1000), [](int i) { return i / 8.0; }));
  const std::int64_t groups = coin() ? nodes.nodes() : 0;
  const ExpertPlacement placement = balanced_placement(loads, redundant, nodes, groups);
  RC_ASSERT(static_cast<std::int64_t>(placement.slots.size()) == experts + redundant);
  std::vector<int> held(loads.size(), 0);
  for (const std::int32_t expert : placement.slots) {
    ++held[static_cast<std::size_t>(expert)];
  }
  RC_ASSERT(*std::min_element(held.begin(), held.end()) >= 1);
  const std::vector<double> ranks = rank_loads(placement, loads);
  const double total = std::accumulate(loads.begin(), loads.end(), 0.0);
  RC_ASSERT(std::abs(std::accumulate(ranks.begin(), ranks.end(), 0.0) - total) <= 1e-9 * total);
  RC_ASSERT(imbalance(ranks) >= 1 - 1e-12);
}

RC_GTEST_PROP(Balanced, IsNeverWorseThanBlocksOnZipfLoads, ()) {
  const std::int64_t ranks = any_of<std::int64_t>({2, 4, 8, 16, 32, 64});
  const std::int64_t experts = ranks * any_of<std::int64_t>({1, 2, 4, 8}), redundant = ranks * (up_to(3) - 1);
  const Routing routing =
      Routing::zipf(experts, any_of<std::int64_t>({1, 2}), any_of<double>({0.2, 0.6, 1.0, 1.5, 2.5}), coin());
  const RankGrid grid{ranks, any_of<std::int64_t>({1, 2})};
  const auto worst = [&](const ExpertPlacement& placement) {
    return imbalance(rank_loads(placement, routing.inclusion()));
  };
  // Against blocks without copies: blocks that repeat all experts on every rank balance by accident what greedy copying
  // does not.
  const double balanced = worst(balanced_placement(routing.inclusion(), redundant, grid));
  RC_ASSERT(balanced <= worst(contiguous_placement(experts, 0, grid)) * (1 + 1e-12));
  RC_ASSERT(balanced <= worst(round_robin_placement(experts, 0, grid)) * (1 + 1e-12));
}

}  // namespace
}  // namespace moesaic
