// Linear programs with whole-numbered columns, solved by CBC.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace moesaic {

/// Minimise the columns' objective under the rows. At least one column is whole.
struct IntegerProgram {
  struct Column {
    double lower = 0, upper = 1, objective = 0;
    bool whole = false;
  };
  struct Row {
    std::vector<int> columns;
    std::vector<double> factors;
    double lower = 0, upper = 0;
  };
  std::vector<Column> columns;
  std::vector<Row> rows;

  int add(const Column& column) { return columns.push_back(column), static_cast<int>(columns.size()) - 1; }
};

/// When to stop before the optimum is proven. Nodes and gap leave the result a function of the program; the seconds are
/// a brake, and what it leaves depends on the computer.
struct SolveLimits {
  double seconds = 60;
  std::int64_t nodes = 20000;
  double gap = 0;  ///< absolute, between the best solution and its bound
};

struct ProgramSolution {
  std::vector<double> columns;  ///< empty: none was found
  double objective = 0;
  double bound = 0;     ///< no solution is below it
  bool in_time = true;  ///< not stopped by the seconds
};

/// Whether this build has CBC.
bool has_integer_solver();
/// `start` is a feasible solution, or empty. One thread and no random choice; one call at a time. Throws UserError if
/// this build has no CBC.
ProgramSolution solve(const IntegerProgram& program, std::span<const double> start, const SolveLimits& limits);

}  // namespace moesaic
