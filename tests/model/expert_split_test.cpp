// Experts by where they are computed: parts add up, and the binomial behind them is one.
#include "model/expert_split.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace moesaic {
namespace {

GroupedGemm used_experts(double tokens, double held, double top_k) {
  const double used = -std::expm1(tokens * std::log1p(-top_k / held));
  return {.tokens = tokens, .rows = tokens * top_k, .distinct = held * used, .experts = held, .top_k = top_k};
}

TEST(ExpertSplit, EverythingIsEverything) {
  const GroupedGemm all = used_experts(40, 64, 6);
  const ResidentSplit whole = split_resident(all, 1, 1), none = split_resident(all, 0, 0);
  EXPECT_EQ(whole.resident.rows, all.rows);
  EXPECT_EQ(whole.resident.distinct, all.distinct);
  EXPECT_EQ(none.missing.rows, all.rows);
  EXPECT_EQ(none.missing.distinct, all.distinct);
}

// One token's choices are all different: as many experts as rows on either side.
TEST(ExpertSplit, OneTokenUsesAsManyExpertsAsRows) {
  const ResidentSplit split = split_resident(used_experts(1, 64, 6), 0.25, 0.8);
  EXPECT_NEAR(split.resident.distinct, 4.8, 1e-12);
  EXPECT_NEAR(split.missing.distinct, 1.2, 1e-12);
}

// Two fair coins: P(0) = 1/4, P(at most 1) = 3/4.
TEST(ExpertSplit, BinomialOfTwoCoins) {
  EXPECT_DOUBLE_EQ(binomial_at_most(0, 2, 0.5), 0.25);
  EXPECT_DOUBLE_EQ(binomial_at_most(1, 2, 0.5), 0.75);
  EXPECT_DOUBLE_EQ(binomial_at_most(2, 2, 0.5), 1);
  EXPECT_DOUBLE_EQ(binomial_at_most(-1, 2, 0.5), 0);
}

// The normal approximation takes over at a variance of 100; on either side of it the two agree to its own error of the
// order of 1 / standard deviation.
TEST(ExpertSplit, LargeBinomialsAreNormal) {
  for (const double deviations : {-2.0, -1.0, 0.0, 1.0, 2.0}) {
    const double summed = binomial_at_most(199 + 10 * deviations, 398, 0.5);
    const double normal = binomial_at_most(201 + 10 * deviations, 402, 0.5);
    EXPECT_NEAR(summed, normal, 0.01) << deviations;
  }
}

TEST(ExpertSplit, EvenRowsAreTheMeanOrOneMore) {
  const ExpertPart part{8, 20, 8, true};  // four experts of two rows, four of three
  const LoadSplit two = split_by_load(part, 10, 2), one = split_by_load(part, 10, 1),
                  three = split_by_load(part, 10, 3);
  EXPECT_DOUBLE_EQ(two.light.distinct, 4);
  EXPECT_DOUBLE_EQ(two.light.rows, 8);
  EXPECT_DOUBLE_EQ(two.heavy.rows, 12);
  EXPECT_DOUBLE_EQ(one.light.rows, 0);
  EXPECT_DOUBLE_EQ(three.heavy.rows, 0);
}

RC_GTEST_PROP(ExpertSplitProperty, PartsAddUp, ()) {
  const double held = *rc::gen::inRange(2, 300), top_k = *rc::gen::inRange(1, static_cast<int>(held));
  const double tokens = *rc::gen::inRange(1, 5000);
  const double share = *rc::gen::inRange(0, 101) / 100.0;
  const double hits = share == 0 ? 0 : share == 1 ? 1 : *rc::gen::inRange(0, 101) / 100.0;
  const GroupedGemm all = used_experts(tokens, held, top_k);
  const ResidentSplit split = split_resident(all, share, hits);
  const auto add_up = [](const ExpertPart& a, const ExpertPart& b, double rows, double distinct) {
    RC_ASSERT(std::abs(a.rows + b.rows - rows) <= 1e-9 * rows);
    RC_ASSERT(std::abs(a.distinct + b.distinct - distinct) <= 1e-9 * distinct);
  };
  add_up(split.resident, split.missing, all.rows, all.distinct);
  for (const ExpertPart& part : {split.resident, split.missing}) {
    RC_ASSERT(part.rows >= 0 && part.distinct >= -1e-9);
  }
  double rows_before = 0;
  for (const double most : {0.0, 1.0, 3.0, 20.0, 400.0, 5000.0}) {
    const LoadSplit loads = split_by_load(split.missing, tokens, most);
    add_up(loads.light, loads.heavy, split.missing.rows, split.missing.distinct);
    RC_ASSERT(loads.light.rows >= rows_before * (1 - 1e-6));
    RC_ASSERT(loads.heavy.distinct >= -1e-9);
    rows_before = loads.light.rows;
  }
  RC_ASSERT(split_by_load(split.missing, tokens, tokens).heavy.rows == 0);
  RC_ASSERT(split_by_load(split.missing, tokens, 0).light.rows == 0);
}

}  // namespace
}  // namespace moesaic
