#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/statistics.hpp"
#include "reports/step_validation.hpp"

namespace moesaic {

namespace {

/// The power of two at or below, padded so that texts sort as numbers.
std::string power_of_two(std::int64_t value) {
  std::int64_t power = 1;
  while (power * 2 <= value) {
    power *= 2;
  }
  return fmt::format("{:>10}", power);
}

}  // namespace

StepScope scope_of(const JudgedStep& row) {
  return row.step.kind == StepKind::closed_loop ? StepScope::closed_loop
         : row.step.kind == StepKind::layer     ? StepScope::layers
                                                : StepScope::fixed_batch;
}

std::string_view name(StepScope scope) {
  static constexpr std::string_view kNames[] = {"fixed_batch", "layers", "closed_loop"};
  return kNames[static_cast<std::size_t>(scope)];
}

std::string_view title(StepScope scope) {
  static constexpr std::string_view kTitles[] = {"fixed-batch steps", "layers by kernel", "closed-loop TPOT"};
  return kTitles[static_cast<std::size_t>(scope)];
}

double step_target(StepScope scope) { return scope == StepScope::closed_loop ? 0.15 : 0.08; }

std::vector<const JudgedStep*> scope_rows(const StepJudgement& judgement, StepScope scope, bool fitted) {
  std::vector<const JudgedStep*> rows;
  for (const JudgedStep& row : judgement.rows) {
    if (row.fitted == fitted && scope_of(row) == scope) {
      rows.push_back(&row);
    }
  }
  return rows;
}

StepScores step_scores(const std::vector<const JudgedStep*>& rows, StepBasis basis) {
  std::vector<double> errors, sizes;
  for (const JudgedStep* row : rows) {
    errors.push_back(row->error(basis));
    sizes.push_back(std::abs(errors.back()));
  }
  if (rows.empty()) {
    return {};
  }
  return {rows.size(), median(sizes), percentile(sizes, 0.9), median(errors)};
}

std::vector<StepGroup> step_groups(const StepJudgement& judgement, StepScope scope) {
  using Key = std::string (*)(const JudgedStep&);
  enum class Of : std::uint8_t { all, steps, layers };
  struct By {
    const char* name;
    Key key;
    Of of = Of::all;
  };
  static constexpr By kBys[] = {
      {"kind", [](const JudgedStep& row) { return std::string(name(row.step.kind)); }, Of::steps},
      {"source", [](const JudgedStep& row) { return row.step.file.substr(0, row.step.file.find('/')); }, Of::layers},
      {"system", [](const JudgedStep& row) { return row.step.device; }},
      {"engine", [](const JudgedStep& row) { return row.step.software; }, Of::steps},
      {"model", [](const JudgedStep& row) { return row.step.model; }},
      {"precision", [](const JudgedStep& row) { return row.step.format; }},
      {"parallelism", [](const JudgedStep& row) { return row.step.mapping; }},
      {"concurrency", [](const JudgedStep& row) { return power_of_two(row.step.batch); }, Of::steps},
      {"tokens", [](const JudgedStep& row) { return power_of_two(row.step.batch * row.step.input); }, Of::layers},
  };
  const Of shown = scope == StepScope::layers ? Of::layers : Of::steps;
  const std::vector<const JudgedStep*> scored = scope_rows(judgement, scope, false);
  std::vector<StepGroup> groups;
  for (const By& by : kBys) {
    if (by.of != Of::all && by.of != shown) {
      continue;
    }
    std::map<std::string, std::vector<const JudgedStep*>> sorted;
    for (const JudgedStep* row : scored) {
      sorted[by.key(*row)].push_back(row);
    }
    for (auto& [key, rows] : sorted) {
      const std::size_t begin = key.find_first_not_of(' ');
      groups.push_back({by.name, begin == key.npos ? "" : key.substr(begin), std::move(rows)});
    }
  }
  return groups;
}

std::string step_text(const MeasuredStep& step) {
  if (step.kind == StepKind::layer) {
    return fmt::format("layer {} {} {} {} x{} {} tokens", step.device, step.model, step.format, step.mapping,
                       step.batch, step.input);
  }
  return fmt::format("{} {} {} {} {} {} x{} {}/{}", name(step.kind), step.device, step.software, step.model,
                     step.format, step.mapping, step.batch, step.input, step.output);
}

std::vector<const JudgedStep*> worst_steps(const StepJudgement& judgement, StepScope scope, std::size_t most) {
  std::vector<const JudgedStep*> rows = scope_rows(judgement, scope, false);
  const auto badness = [](const JudgedStep* row) { return std::abs(std::log(row->predicted[0] / row->step.measured)); };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const JudgedStep* a, const JudgedStep* b) { return badness(a) > badness(b); });
  rows.resize(std::min(most, rows.size()));
  return rows;
}

namespace {

/// From errors of single kernels of these tables, seen with `moesaic explain`.
std::string reason_of_layer(const JudgedStep& row) {
  const MeasuredStep& step = row.step;
  const double error = row.error(StepBasis::measured);
  const bool borrowed = row.kernels.find("borrowed") != std::string::npos;
  const bool has_scores = std::find(step.operators.begin(), step.operators.end(), "scores") != step.operators.end();
  constexpr std::int64_t kFewTokens = 64;
  if (step.measured < row.predicted[static_cast<std::size_t>(StepBasis::peak)]) {
    return "faster than memory: repeats of a kernel find their operands in the last-level cache";
  }
  if (error < -0.3 && step.format == "fp8") {
    return "slower than the source's own neighbouring sizes: it ran other fp8 kernels at this one";
  }
  if (borrowed) {
    return "kernels borrowed from another device, which reaches other fractions of its peaks";
  }
  if (error > 0) {
    return "norms, rotary and activations found their operands in the last-level cache; here they read memory";
  }
  if (has_scores) {
    return "attention in three kernels (PyTorch): the softmax is written to memory and read again";
  }
  return step.batch * step.input <= kFewTokens
             ? "norms and activations of few tokens: the default efficiencies expect faster ones"
             : "products at a lower rate than where the device was measured (board, clocks), and unfused residuals";
}

}  // namespace

std::string likely_reason(const JudgedStep& row) {
  const MeasuredStep& step = row.step;
  if (step.kind == StepKind::layer) {
    return reason_of_layer(row);
  }
  const Seconds peak = row.predicted[static_cast<std::size_t>(StepBasis::peak)];
  const bool deepseek = step.model.find("DeepSeek") != std::string::npos;
  if (step.measured < peak) {
    return deepseek ? "faster than peak rates allow: several tokens a step (speculative decoding)"
                    : "faster than peak rates allow: another precision or fewer requests at once than stated";
  }
  if (deepseek && row.error(StepBasis::measured) > 0.3 && step.batch <= 64) {
    return "speculative decoding is not recorded; several tokens a step";
  }
  if (row.kernels.find("borrowed") != std::string::npos) {
    return "kernels borrowed from another device";
  }
  if (scope_of(row) == StepScope::closed_loop) {
    const double chunk_share = row.parts.size() < 2 ? 0 : row.parts.back().weight;
    if (chunk_share > 0.5) {
      return "most steps hold prompts: requests in flight, chunks and waiting shape the time";
    }
    if (row.error(StepBasis::kernels) > 0.15) {
      return "faster than its kernels one after another: fused or overlapped kernels";
    }
    return row.error(StepBasis::measured) < 0 ? "time outside kernels: another version or options of the engine"
                                              : "host time hidden behind the device";
  }
  if (step.kind == StepKind::prefill) {
    return row.error(StepBasis::measured) < 0 ? "prompts run one after another, or uncaptured communication"
                                              : "less host time than the engine's other steps";
  }
  return "host time that varies from run to run";
}

}  // namespace moesaic
