// Experts divided between two units.
#include "model/co_processing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "model/routing.hpp"
#include "tests/model/some_experts.hpp"

namespace moesaic {
namespace {

/// When the later unit ends.
double later(const CoProcessed& divided, double tokens, const UnitTimes& times) {
  return divided.lateness * std::max(in_series(divided.parts.processor, tokens, times.processor).value,
                                     in_series(divided.parts.memory, tokens, times.memory).value);
}

TEST(CoProcessing, EvenLoadsAreDividedByNumber) {
  GroupedGemm op = some_experts(64, 4, 2);
  op.even = true;
  op.distinct = 4;
  // Alike but for speed, one row as long as the weights of 1/32: three experts here take as long as one there.
  const UnitTimes times{{Seconds{3}, {}, Seconds{3.0 / 32}}, {Seconds{1}, {}, Seconds{1.0 / 32}}};
  const CoProcessed divided = co_process(op, 4, times);
  EXPECT_DOUBLE_EQ(divided.parts.memory.experts, 3);
  EXPECT_DOUBLE_EQ(divided.parts.memory.rows, 96);
  EXPECT_DOUBLE_EQ(divided.parts.processor.rows, 32);
  EXPECT_DOUBLE_EQ(divided.lateness, 1);
  // What crosses delays those beside the memory: fewer of them, in the end none.
  EXPECT_DOUBLE_EQ(co_process(op, 4, times, Seconds{5}).parts.memory.experts, 2);
  EXPECT_DOUBLE_EQ(co_process(op, 4, times, Seconds{10}).parts.memory.experts, 1);
  EXPECT_DOUBLE_EQ(co_process(op, 4, times, Seconds{11.5}).parts.memory.experts, 0);
}

RC_GTEST_PROP(CoProcessing, IsNeverSlowerThanTheBetterUnitAlone, ()) {
  GroupedGemm op = any_experts();
  op.alike = *rc::gen::arbitrary<bool>();
  const UnitTimes times{any_times(), any_times()};
  const CoProcessed divided = co_process(op, *rc::gen::inRange(1, 9), times);
  const ExpertPart &here = divided.parts.processor, &there = divided.parts.memory;
  RC_ASSERT(std::abs(here.rows + there.rows - op.rows) <= 1e-9 * op.rows);
  RC_ASSERT(std::abs(here.experts + there.experts - op.experts) <= 1e-9 * op.experts);
  RC_ASSERT(std::min({here.distinct, there.distinct, here.rows, there.rows}) >= 0);
  const double alone =
      std::min(in_series(all(op), op.tokens, times.processor).value, in_series(all(op), op.tokens, times.memory).value);
  RC_ASSERT(later(divided, op.tokens, times) <= alone * (1 + 1e-9));
}

// Duplex (arXiv:2409.01141), section V-B: experts with few tokens go beside the memory.
TEST(CoProcessing, GivesTheLightOnesToTheMemory) {
  const GroupedGemm op = some_experts(64, 16, 2);
  const CoProcessed divided = co_process(op, 4, {{Seconds{1}, {}, Seconds{0.001}}, {Seconds{0.25}, {}, Seconds{0.1}}});
  ASSERT_GT(divided.parts.processor.experts, 0);
  ASSERT_GT(divided.parts.memory.experts, 0);
  EXPECT_LT(divided.parts.memory.rows / divided.parts.memory.experts,
            divided.parts.processor.rows / divided.parts.processor.experts);
}

// The algorithm itself, for tokens that choose: each rank sorts its groups, tries every number of them beside the
// memory, and the slowest rank counts.
double by_choices(double tokens, int ranks, int held, int top_k, int spaces, const UnitTimes& times,
                  const UnitTimes& table) {
  const auto seconds = [](const ExpertTimes& of, double n) {
    return n > 0 ? std::max(of.weights.value + n * of.row_memory.value, n * of.row_compute.value) : 0;
  };
  std::mt19937_64 engine(7);
  constexpr int kDraws = 400;
  double sum = 0;
  std::vector<int> experts(static_cast<std::size_t>(ranks * held));
  std::iota(experts.begin(), experts.end(), 0);
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> loads(experts.size());
    for (int token = 0; token < static_cast<int>(tokens); ++token) {
      for (std::size_t k = 0; k < static_cast<std::size_t>(top_k); ++k) {
        std::swap(experts[k], experts[k + engine() % (experts.size() - k)]);
        loads[static_cast<std::size_t>(experts[k])] += 1;
      }
    }
    double slowest = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const int groups = std::min(spaces, held), each = held / groups;
      std::vector<std::vector<double>> of_groups;
      for (int g = 0; g < groups; ++g) {
        const auto first = loads.begin() + rank * held + g * each;
        of_groups.emplace_back(first, first + each);
      }
      const auto total = [](const std::vector<double>& of) { return std::accumulate(of.begin(), of.end(), 0.0); };
      std::sort(of_groups.begin(), of_groups.end(), [&](const auto& a, const auto& b) { return total(a) < total(b); });
      double least = 1e30, real = 0;
      for (std::size_t moved = 0; moved <= of_groups.size(); ++moved) {
        double table_here = 0, table_there = 0, here = 0, there = 0;
        for (std::size_t g = 0; g < of_groups.size(); ++g) {
          for (const double load : of_groups[g]) {
            (g < moved ? table_there : table_here) += seconds(g < moved ? table.memory : table.processor, load);
            (g < moved ? there : here) += seconds(g < moved ? times.memory : times.processor, load);
          }
        }
        if (std::max(table_here, table_there) < least) {
          least = std::max(table_here, table_there);
          real = std::max(here, there);
        }
      }
      slowest = std::max(slowest, real);
    }
    sum += slowest;
  }
  return sum / kDraws;
}

TEST(CoProcessing, IsTheMeanOfItsDraws) {
  const UnitTimes times{{Seconds{1}, {}, Seconds{0.003}}, {Seconds{0.25}, {}, Seconds{0.03}}};
  UnitTimes table = times;
  table.processor.weights = table.memory.weights = Seconds{0.4};
  struct Case {
    int ranks, held, top_k;
  };
  int divisions = 0;
  for (const Case& of : {Case{4, 2, 2}, Case{8, 1, 2}, Case{8, 8, 2}, Case{8, 32, 8}}) {
    for (const double tokens : {8.0, 64.0, 128.0, 256.0}) {
      const RankLoad busiest = busiest_rank_load(Routing::uniform(of.ranks * of.held, of.top_k), of.ranks, tokens);
      GroupedGemm op = some_experts(tokens, of.held, of.top_k);
      op.ranks = of.ranks;
      op.alike = true;
      op.rows = busiest.rows;
      op.distinct = busiest.widest;
      for (const bool assumed : {false, true}) {
        const CoProcessed divided =
            co_process(op, 4, times, {}, assumed ? std::optional(table) : std::optional<UnitTimes>());
        const double drawn = by_choices(tokens, of.ranks, of.held, of.top_k, 4, times, assumed ? table : times);
        if (divided.parts.memory.rows > 0 && divided.parts.processor.rows > 0) {  // else as in expert_series_test.cpp
          ++divisions;
          EXPECT_NEAR(later(divided, tokens, times) / drawn, 1, tokens < 16 ? 0.08 : 0.025)
              << of.ranks << " x " << of.held << ", " << tokens << " tokens" << (assumed ? ", by a table" : "");
        }
      }
    }
  }
  EXPECT_GT(divisions, 12);
}

}  // namespace
}  // namespace moesaic
