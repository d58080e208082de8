// CBC behind our own words: a knapsack by hand, bounds, starts, limits.
#include "model/integer_program.hpp"

#include <gtest/gtest.h>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

/// Values 10 7 4 and weights 5 4 3, room 7: the second and third are worth 11, more than the first alone.
IntegerProgram knapsack() {
  IntegerProgram program;
  for (const double value : {10.0, 7.0, 4.0}) {
    program.add({.objective = -value, .whole = true});
  }
  program.rows.push_back({{0, 1, 2}, {5, 4, 3}, 0, 7});
  return program;
}

TEST(IntegerProgram, SolvesAKnapsack) {
  if (!has_integer_solver()) {
    EXPECT_NE(user_error([] { solve(knapsack(), {}, {}); }).find("need CBC"), std::string::npos);
    return;
  }
  const ProgramSolution solution = solve(knapsack(), {}, {});
  EXPECT_NEAR(solution.objective, -11, 1e-9);
  EXPECT_NEAR(solution.bound, -11, 1e-6);
  EXPECT_EQ(solution.columns.size(), 3u);
  EXPECT_TRUE(solution.in_time);
}

TEST(IntegerProgram, BothSidesOfARowHold) {
  if (!has_integer_solver()) {
    GTEST_SKIP() << "no CBC here";
  }
  IntegerProgram program;
  program.add({.upper = 10, .objective = 1, .whole = true});
  program.add({.upper = 10, .objective = 1, .whole = true});
  program.rows.push_back({{0, 1}, {1, -1}, 2, 3});
  const ProgramSolution least = solve(program, {}, {});
  EXPECT_NEAR(least.objective, 2, 1e-9);  // 2 and 0
  program.columns[0].objective = -1;
  const ProgramSolution most = solve(program, {}, {});  // y - x is at least -3
  EXPECT_NEAR(most.objective, -3, 1e-9);
}

TEST(IntegerProgram, AStartIsAtLeastKept) {
  if (!has_integer_solver()) {
    GTEST_SKIP() << "no CBC here";
  }
  const std::vector<double> first = {1, 0, 0};
  const ProgramSolution solution = solve(knapsack(), first, {.gap = 5});
  EXPECT_LE(solution.objective, -10 + 1e-9);
  EXPECT_LE(solution.bound, solution.objective + 1e-9);
  EXPECT_GE(solution.bound, -13.5 - 1e-9);
}

TEST(IntegerProgram, NothingFeasibleGivesNoColumns) {
  if (!has_integer_solver()) {
    GTEST_SKIP() << "no CBC here";
  }
  IntegerProgram program = knapsack();
  program.rows.push_back({{0, 1, 2}, {1, 1, 1}, 3, 3});
  EXPECT_TRUE(solve(program, {}, {}).columns.empty());
}

}  // namespace
}  // namespace moesaic
