// What people read of measured steps against their predictions: text, JSON (a versioned contract), CSV, and a page.
#pragma once

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

/// Rows that a table shows in one line.
struct StepGroup {
  std::string by;    ///< "engine"
  std::string name;  ///< "vllm"
  std::vector<const JudgedStep*> rows;
};
/// "fixed batch" or "closed loop": they have different targets and are never mixed.
bool is_closed_loop(const JudgedStep& row);
/// Groups of the scored half by half, kind, system, engine, model, precision, parallelism and concurrency.
std::vector<StepGroup> step_groups(const StepJudgement& judgement, bool closed_loop);
/// Median of |error| that the project wants.
double step_target(bool closed_loop);
/// The rows whose prediction is furthest off, worst first.
std::vector<const JudgedStep*> worst_steps(const StepJudgement& judgement, bool closed_loop, std::size_t most);
/// What of the row makes it hard to predict, as far as its shape tells.
std::string likely_reason(const JudgedStep& row);

std::string step_validation_text(const StepValidation& validation, const TextStyle& style);
/// `version` "1"; described in docs/validation.md. Times in seconds, errors as fractions.
std::string step_validation_json(const StepValidation& validation);
std::string step_validation_csv(const StepValidation& validation);
std::string step_validation_page(const StepValidation& validation, const std::string& command);

}  // namespace moesaic
