// Experts one after another.
#include "model/expert_series.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/model/some_experts.hpp"

namespace moesaic {
namespace {

/// The definition: the sum over all numbers of tokens that an expert can get.
double by_definition(const GroupedGemm& op, const ExpertTimes& times) {
  const double chance = op.rows / op.experts / op.tokens;
  double sum = 0;
  for (double n = 1; n <= op.tokens; ++n) {
    const double log_ways = std::lgamma(op.tokens + 1) - std::lgamma(n + 1) - std::lgamma(op.tokens - n + 1);
    const double likely = std::exp(log_ways + n * std::log(chance) + (op.tokens - n) * std::log1p(-chance));
    sum += likely * std::max(times.weights.value + n * times.row_memory.value, n * times.row_compute.value);
  }
  return sum * op.experts;
}

TEST(ExpertSeries, IsTheExpectedSum) {
  const GroupedGemm op = some_experts(40, 16, 2);
  for (const double compute : {0.0, 0.05, 0.2, 0.3, 1.0, 5.0}) {
    const ExpertTimes times{Seconds{1}, Seconds{0.01}, Seconds{compute}};
    EXPECT_NEAR(in_series(all(op), op.tokens, times).value / by_definition(op, times), 1, 1e-9) << compute;
  }
}

// Uneven loads cost what they wait for; where arithmetic is never the longer one, nothing.
RC_GTEST_PROP(ExpertSeries, EvenLoadsAreTheLeast, ()) {
  const GroupedGemm op = any_experts();
  const ExpertTimes times = any_times();
  ExpertPart even = all(op);
  even.even = true;
  const double each = op.rows / op.distinct;
  const double by_expert =
      op.distinct * std::max(times.weights.value + each * times.row_memory.value, each * times.row_compute.value);
  RC_ASSERT(std::abs(in_series(even, op.tokens, times).value - by_expert) <= 1e-9 * by_expert);
  RC_ASSERT(by_expert <= in_series(all(op), op.tokens, times).value * (1 + 1e-9));
}

/// Seconds of an expert with `rows` rows.
double of_rows(const ExpertTimes& times, double rows) {
  return std::max(times.weights.value + rows * times.row_memory.value, rows * times.row_compute.value);
}

TEST(ByLoad, EachExpertIsWhereItIsSooner) {
  const GroupedGemm op = some_experts(64, 8, 2);
  const ExpertTimes processor{Seconds{1}, Seconds{0.001}, Seconds{0.01}}, memory{Seconds{0.25}, {}, Seconds{0.07}};
  const double most = most_near_memory(processor, memory, op.tokens);
  EXPECT_EQ(most, 14);  // 15 rows take 1.05 there and 1.015 here
  const ExpertParts parts = by_load(all(op), op.tokens, processor, memory);
  double here = 0, there = 0;
  for (double n = 1; n <= op.tokens; ++n) {
    const double experts =
        op.experts * (binomial_at_most(n, op.tokens, 0.25) - binomial_at_most(n - 1, op.tokens, 0.25));
    (n <= most ? there : here) += experts * of_rows(n <= most ? memory : processor, n);
  }
  EXPECT_NEAR(in_series(parts.memory, op.tokens, memory).value / there, 1, 1e-6);
  EXPECT_NEAR(in_series(parts.processor, op.tokens, processor).value / here, 1, 1e-6);
}

RC_GTEST_PROP(ByLoad, IsNeverSlowerThanOneUnitForAll, ()) {
  const GroupedGemm op = any_experts();
  const ExpertTimes processor = any_times(), memory = any_times();
  const ExpertParts parts = by_load(all(op), op.tokens, processor, memory);
  RC_ASSERT(std::abs(parts.processor.rows + parts.memory.rows - op.rows) <= 1e-9 * op.rows);
  RC_ASSERT(std::abs(parts.processor.distinct + parts.memory.distinct - op.distinct) <= 1e-9 * op.distinct);
  const double both =
      in_series(parts.processor, op.tokens, processor).value + in_series(parts.memory, op.tokens, memory).value;
  const double here = in_series(all(op), op.tokens, processor).value;
  const double there = in_series(all(op), op.tokens, memory).value;
  RC_ASSERT(both <= std::min(here, there) * (1 + 1e-6));
}

RC_GTEST_PROP(ExpertSeries, IsNeverShorterThanMemoryOrArithmetic, ()) {
  const GroupedGemm op = any_experts();
  const ExpertTimes times = any_times();
  const double series = in_series(all(op), op.tokens, times).value;
  const double memory = op.distinct * times.weights.value + op.rows * times.row_memory.value;
  const double compute = op.rows * times.row_compute.value;
  RC_ASSERT(series >= std::max(memory, compute) * (1 - 1e-9));
  RC_ASSERT(series <= (memory + compute) * (1 + 1e-9));
}

}  // namespace
}  // namespace moesaic
