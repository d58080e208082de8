// Experts one after another, and divided between two units.
#include "model/expert_series.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

constexpr StorageType kHalf{DType::bf16, 16};

GroupedGemm some_experts(double tokens, double held, double top_k) {
  const double used = held * -std::expm1(tokens * std::log1p(-std::min(1 - 1e-12, top_k / held)));
  return {.tokens = tokens,
          .rows = tokens * top_k,
          .distinct = used,
          .experts = held,
          .top_k = top_k,
          .hidden = 1024,
          .width = 512,
          .weights = kHalf,
          .activations = kHalf};
}

/// Drawn, within a property.
GroupedGemm any_experts() {
  const int held = *rc::gen::inRange(1, 64);
  return some_experts(*rc::gen::inRange(1, 3000), held, *rc::gen::inRange(1, held + 1));
}
ExpertTimes any_times() {
  return {Seconds{*rc::gen::inRange(1, 1000) * 1e-6}, Seconds{*rc::gen::inRange(0, 20) * 1e-8},
          Seconds{*rc::gen::inRange(0, 1000) * 1e-7}};
}

ExpertPart all(const GroupedGemm& op) { return {op.experts, op.rows, op.distinct}; }

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

TEST(CoProcessing, EvenLoadsAreDividedByNumber) {
  GroupedGemm op = some_experts(64, 4, 2);
  op.even = true;
  op.distinct = 4;
  // Alike but for speed, one row as long as the weights of 1/32: three experts here take as long as one there.
  const ExpertTimes fast{Seconds{1}, {}, Seconds{1.0 / 32}}, slow{Seconds{3}, {}, Seconds{3.0 / 32}};
  const ExpertParts parts = co_process(op, 4, slow, fast);
  EXPECT_DOUBLE_EQ(parts.memory.experts, 3);
  EXPECT_DOUBLE_EQ(parts.memory.rows, 96);
  EXPECT_DOUBLE_EQ(parts.processor.rows, 32);
  // What crosses delays those beside the memory: fewer of them, in the end none.
  EXPECT_DOUBLE_EQ(co_process(op, 4, slow, fast, Seconds{5}).memory.experts, 2);
  EXPECT_DOUBLE_EQ(co_process(op, 4, slow, fast, Seconds{10}).memory.experts, 1);
  EXPECT_DOUBLE_EQ(co_process(op, 4, slow, fast, Seconds{11.5}).memory.experts, 0);
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

RC_GTEST_PROP(CoProcessing, IsNeverSlowerThanTheBetterUnitAlone, ()) {
  const GroupedGemm op = any_experts();
  const ExpertTimes processor = any_times(), memory = any_times();
  const ExpertParts parts = co_process(op, *rc::gen::inRange(1, 9), processor, memory);
  RC_ASSERT(std::abs(parts.processor.rows + parts.memory.rows - op.rows) <= 1e-9 * op.rows);
  RC_ASSERT(std::abs(parts.processor.experts + parts.memory.experts - op.experts) <= 1e-9 * op.experts);
  const double later = std::max(in_series(parts.processor, op.tokens, processor).value,
                                in_series(parts.memory, op.tokens, memory).value);
  const double alone =
      std::min(in_series(all(op), op.tokens, processor).value, in_series(all(op), op.tokens, memory).value);
  RC_ASSERT(later <= alone * (1 + 1e-9));
}

// Duplex (arXiv:2409.01141), section V-B: experts with few tokens go beside the memory.
TEST(CoProcessing, GivesTheLightOnesToTheMemory) {
  const GroupedGemm op = some_experts(64, 16, 2);
  const ExpertTimes processor{Seconds{1}, {}, Seconds{0.001}}, memory{Seconds{0.25}, {}, Seconds{0.1}};
  const ExpertParts parts = co_process(op, 4, processor, memory);
  ASSERT_GT(parts.processor.experts, 0);
  ASSERT_GT(parts.memory.experts, 0);
  EXPECT_LT(parts.memory.rows / parts.memory.experts, parts.processor.rows / parts.processor.experts);
}

}  // namespace
}  // namespace moesaic
