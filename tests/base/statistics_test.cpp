#include "base/statistics.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace moesaic {
namespace {

TEST(Mean, OfValues) {
  EXPECT_DOUBLE_EQ(mean({4}), 4);
  EXPECT_DOUBLE_EQ(mean({1, 2, 6}), 3);
}

TEST(Median, OfOddAndEvenCounts) {
  EXPECT_DOUBLE_EQ(median({9, 1, 5}), 5);
  EXPECT_DOUBLE_EQ(median({9, 1, 5, 6}), 5.5);
}

TEST(Percentile, InterpolatesLikeNumpy) {
  // numpy.percentile([15, 20, 35, 40, 50], [0, 5, 30, 40, 95, 100])
  const std::vector<double> values = {50, 20, 15, 40, 35};
  EXPECT_DOUBLE_EQ(percentile(values, 0), 15);
  EXPECT_DOUBLE_EQ(percentile(values, 0.05), 16);
  EXPECT_DOUBLE_EQ(percentile(values, 0.30), 23);
  EXPECT_DOUBLE_EQ(percentile(values, 0.40), 29);
  EXPECT_DOUBLE_EQ(percentile(values, 0.95), 48);
  EXPECT_DOUBLE_EQ(percentile(values, 1), 50);
  EXPECT_DOUBLE_EQ(percentile({7}, 0.3), 7);
}

RC_GTEST_PROP(PercentileProperty, GrowsWithTheFraction, ()) {
  const auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
      rc::gen::map(rc::gen::inRange(-1000, 1000), [](int n) { return n / 8.0; })));
  const double low = *rc::gen::inRange(0, 101) / 100.0;
  const double high = *rc::gen::inRange(0, 101) / 100.0;
  RC_ASSERT(percentile(values, std::min(low, high)) <= percentile(values, std::max(low, high)));
  RC_ASSERT(percentile(values, low) >= *std::min_element(values.begin(), values.end()));
  RC_ASSERT(percentile(values, high) <= *std::max_element(values.begin(), values.end()));
}

TEST(StatisticsDeathTest, RefuseEmptyInput) {
  EXPECT_DEATH(mean({}), "internal error");
  EXPECT_DEATH(median({}), "internal error");
  EXPECT_DEATH(percentile({1}, 1.5), "internal error");
}

TEST(NormalCdf, KnownValues) {
  EXPECT_DOUBLE_EQ(normal_cdf(0), 0.5);
  EXPECT_NEAR(normal_cdf(1.6448536269514722), 0.95, 1e-12);
  EXPECT_NEAR(normal_cdf(-1.6448536269514722), 0.05, 1e-12);
  EXPECT_NEAR(normal_cdf(-40) * 1e300, 0, 1e-40);
}

}  // namespace
}  // namespace moesaic
