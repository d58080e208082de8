// What people read of measured steps against their predictions: text, JSON (a versioned contract), CSV, and a page.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "reports/report.hpp"
#include "sim/judge_steps.hpp"

namespace moesaic {

struct StepValidation {
  const StepJudgement& judgement;
  std::vector<std::string> data;  ///< folders as the user gave them
};

/// Errors of some rows on one basis: of |predicted / measured - 1|, and the median with its sign.
struct StepScores {
  std::size_t rows = 0;
  double median = 0;
  double p90 = 0;
  double bias = 0;
};
StepScores step_scores(const std::vector<const JudgedStep*>& rows, StepBasis basis);

/// Rows of different scopes measure different things: they have their own targets and are never mixed.
enum class StepScope : std::uint8_t {
  fixed_batch,  ///< whole steps of a batch, and generations of them
  layers,       ///< kernels of one layer, one by one: nothing of an engine
  closed_loop,  ///< time per output token under constant load
};
inline constexpr StepScope kStepScopes[] = {StepScope::fixed_batch, StepScope::layers, StepScope::closed_loop};
StepScope scope_of(const JudgedStep& row);
/// "fixed_batch", as JSON has it.
std::string_view name(StepScope scope);
/// "fixed-batch steps", as people read it.
std::string_view title(StepScope scope);
/// Median of |error| that the project wants.
double step_target(StepScope scope);
/// One half of the rows. All layers are of the scored one.
std::vector<const JudgedStep*> scope_rows(const StepJudgement& judgement, StepScope scope, bool fitted);

/// Rows that a table shows in one line.
struct StepGroup {
  std::string by;    ///< "engine"
  std::string name;  ///< "vllm"
  std::vector<const JudgedStep*> rows;
};
/// Groups of the scored half by kind, system, engine, model, precision, parallelism and concurrency; of layers by
/// source instead of kind and engine, and by tokens instead of concurrency.
std::vector<StepGroup> step_groups(const StepJudgement& judgement, StepScope scope);
/// The rows whose prediction is furthest off, worst first.
std::vector<const JudgedStep*> worst_steps(const StepJudgement& judgement, StepScope scope, std::size_t most);
/// What was run, in one line.
std::string step_text(const MeasuredStep& step);
/// What of the row makes it hard to predict, as far as its shape tells.
std::string likely_reason(const JudgedStep& row);

std::string step_validation_text(const StepValidation& validation, const TextStyle& style);
/// `version` "1"; described in docs/validation.md. Times in seconds, errors as fractions.
std::string step_validation_json(const StepValidation& validation);
std::string step_validation_csv(const StepValidation& validation);
std::string step_validation_page(const StepValidation& validation, const std::string& command);

}  // namespace moesaic
