#include "model/integer_program.hpp"

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/error.hpp"
#include "base/shared_library.hpp"

#ifdef MOESAIC_CBC
#include <coin/Cbc_C_Interface.h>
#endif

namespace moesaic {

#ifdef MOESAIC_CBC
namespace {

/// The functions of CBC's C interface that are used here.
struct Cbc {
  explicit Cbc(const SharedLibrary& loaded) : library(loaded), complete(loaded) {
    const auto load = [this](auto& function, const char* name) { complete = complete && library.find(name, function); };
    load(new_model, "Cbc_newModel");
    load(delete_model, "Cbc_deleteModel");
    load(load_problem, "Cbc_loadProblem");
    load(set_integer, "Cbc_setInteger");
    load(set_sense, "Cbc_setObjSense");
    load(set_log_level, "Cbc_setLogLevel");
    load(set_seconds, "Cbc_setMaximumSeconds");
    load(set_nodes, "Cbc_setMaximumNodes");
    load(set_gap, "Cbc_setAllowableGap");
    load(set_start, "Cbc_setMIPStartI");
    load(set_parameter, "Cbc_setParameter");
    load(solve, "Cbc_solve");
    load(out_of_time, "Cbc_isSecondsLimitReached");
    load(proven, "Cbc_isProvenOptimal");
    load(bound, "Cbc_getBestPossibleObjValue");
    load(best, "Cbc_bestSolution");
    load(objective, "Cbc_getObjValue");
  }

  SharedLibrary library;
  bool complete;
  decltype(&Cbc_newModel) new_model = nullptr;
  decltype(&Cbc_deleteModel) delete_model = nullptr;
  decltype(&Cbc_loadProblem) load_problem = nullptr;
  decltype(&Cbc_setInteger) set_integer = nullptr;
  decltype(&Cbc_setObjSense) set_sense = nullptr;
  decltype(&Cbc_setLogLevel) set_log_level = nullptr;
  decltype(&Cbc_setMaximumSeconds) set_seconds = nullptr;
  decltype(&Cbc_setMaximumNodes) set_nodes = nullptr;
  decltype(&Cbc_setAllowableGap) set_gap = nullptr;
  decltype(&Cbc_setMIPStartI) set_start = nullptr;
  decltype(&Cbc_setParameter) set_parameter = nullptr;
  decltype(&Cbc_solve) solve = nullptr;
  decltype(&Cbc_isSecondsLimitReached) out_of_time = nullptr;
  decltype(&Cbc_isProvenOptimal) proven = nullptr;
  decltype(&Cbc_getBestPossibleObjValue) bound = nullptr;
  decltype(&Cbc_bestSolution) best = nullptr;
  decltype(&Cbc_getObjValue) objective = nullptr;
};

const Cbc& cbc() {
  static const Cbc loaded = [] {
    const SharedLibrary debian("libCbcSolver.so.3");
    return Cbc(debian ? debian : SharedLibrary("libCbcSolver.so"));
  }();
  return loaded;
}

using Model = std::unique_ptr<Cbc_Model, decltype(&Cbc_deleteModel)>;

/// The program column after column, as CBC wants it.
void load(const IntegerProgram& program, Cbc_Model* model) {
  const std::size_t columns = program.columns.size();
  std::vector<CoinBigIndex> starts(columns + 1, 0);
  for (const IntegerProgram::Row& row : program.rows) {
    MOESAIC_ASSERT(row.columns.size() == row.factors.size());
    for (const int column : row.columns) {
      ++starts[static_cast<std::size_t>(column) + 1];
    }
  }
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<CoinBigIndex> next(starts.begin(), starts.end() - 1);
  std::vector<int> indices(static_cast<std::size_t>(starts.back()));
  std::vector<double> factors(indices.size()), lower, upper, objective, row_lower, row_upper;
  for (std::size_t r = 0; r < program.rows.size(); ++r) {
    const IntegerProgram::Row& row = program.rows[r];
    for (std::size_t i = 0; i < row.columns.size(); ++i) {
      const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(row.columns[i])]++);
      indices[at] = static_cast<int>(r);
      factors[at] = row.factors[i];
    }
    row_lower.push_back(row.lower);
    row_upper.push_back(row.upper);
  }
  for (const IntegerProgram::Column& column : program.columns) {
    lower.push_back(column.lower);
    upper.push_back(column.upper);
    objective.push_back(column.objective);
  }
  cbc().load_problem(model, static_cast<int>(columns), static_cast<int>(program.rows.size()), starts.data(),
                     indices.data(), factors.data(), lower.data(), upper.data(), objective.data(), row_lower.data(),
                     row_upper.data());
  for (std::size_t i = 0; i < columns; ++i) {
    if (program.columns[i].whole) {
      cbc().set_integer(model, static_cast<int>(i));
    }
  }
}

}  // namespace

bool has_integer_solver() { return cbc().complete; }

ProgramSolution solve(const IntegerProgram& program, std::span<const double> start, const SolveLimits& limits) {
  if (!has_integer_solver()) {
    throw UserError("integer programs need CBC, which is not installed here: libCbcSolver.so.3 (coinor-libcbc3)");
  }
  const Model model(cbc().new_model(), cbc().delete_model);
  load(program, model.get());
  cbc().set_log_level(model.get(), 0);
  cbc().set_sense(model.get(), 1);
  cbc().set_seconds(model.get(), limits.seconds);
  cbc().set_nodes(model.get(), static_cast<int>(std::min<std::int64_t>(limits.nodes, 1 << 30)));
  cbc().set_gap(model.get(), limits.gap);
  // CBC 2.10.8 crashes after preprocessing that runs out of time (CglPreProcess::postProcess).
  cbc().set_parameter(model.get(), "preprocess", "off");
  if (!start.empty()) {
    MOESAIC_ASSERT(start.size() == program.columns.size());
    std::vector<int> columns(start.size());
    std::iota(columns.begin(), columns.end(), 0);
    cbc().set_start(model.get(), static_cast<int>(columns.size()), columns.data(), start.data());
  }
  cbc().solve(model.get());
  ProgramSolution solution;
  solution.in_time = cbc().out_of_time(model.get()) == 0;
  solution.bound = cbc().bound(model.get());
  if (const double* best = cbc().best(model.get()); best != nullptr) {
    solution.columns.assign(best, best + program.columns.size());
    solution.objective = cbc().objective(model.get());
    // Proven means within the gap.
    if (cbc().proven(model.get()) != 0) {
      solution.bound = std::max(solution.bound, solution.objective - limits.gap);
    }
    solution.bound = std::min(solution.bound, solution.objective);
  }
  return solution;
}

#else

bool has_integer_solver() { return false; }

ProgramSolution solve(const IntegerProgram&, std::span<const double>, const SolveLimits&) {
  throw UserError("integer programs need CBC, and this build has none: install coinor-libcbc-dev and build again");
}

#endif

}  // namespace moesaic
