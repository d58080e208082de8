#include <algorithm>
#include <cmath>
#include <map>

#include "base/statistics.hpp"
#include "reports/step_validation.hpp"

namespace moesaic {

bool is_closed_loop(const JudgedStep& row) { return row.step.kind == StepKind::closed_loop; }

double step_target(bool closed_loop) { return closed_loop ? 0.15 : 0.08; }

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

std::vector<StepGroup> step_groups(const StepJudgement& judgement, bool closed_loop) {
  using Key = std::string (*)(const JudgedStep&);
  struct By {
    const char* name;
    Key key;
  };
  static constexpr By kBys[] = {
      {"kind", [](const JudgedStep& row) { return std::string(name(row.step.kind)); }},
      {"system", [](const JudgedStep& row) { return row.step.device; }},
      {"engine", [](const JudgedStep& row) { return row.step.software; }},
      {"model", [](const JudgedStep& row) { return row.step.model; }},
      {"precision", [](const JudgedStep& row) { return row.step.format; }},
      {"parallelism", [](const JudgedStep& row) { return row.step.mapping; }},
      {"concurrency",
       [](const JudgedStep& row) {  // by powers of two; padded so that they sort as numbers
         std::int64_t power = 1;
         while (power * 2 <= row.step.batch) {
           power *= 2;
         }
         std::string text = std::to_string(power);
         text.insert(0, text.size() < 4 ? 4 - text.size() : 0, ' ');
         return text;
       }},
  };
  std::vector<StepGroup> groups;
  for (const By& by : kBys) {
    std::map<std::string, std::vector<const JudgedStep*>> sorted;
    for (const JudgedStep& row : judgement.rows) {
      if (!row.fitted && is_closed_loop(row) == closed_loop) {
        sorted[by.key(row)].push_back(&row);
      }
    }
    for (auto& [name, rows] : sorted) {
      groups.push_back({by.name, name.substr(name.find_first_not_of(' ')), std::move(rows)});
    }
  }
  return groups;
}

std::vector<const JudgedStep*> worst_steps(const StepJudgement& judgement, bool closed_loop, std::size_t most) {
  std::vector<const JudgedStep*> rows;
  for (const JudgedStep& row : judgement.rows) {
    if (!row.fitted && is_closed_loop(row) == closed_loop) {
      rows.push_back(&row);
    }
  }
  const auto badness = [](const JudgedStep* row) { return std::abs(std::log(row->predicted[0] / row->step.measured)); };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const JudgedStep* a, const JudgedStep* b) { return badness(a) > badness(b); });
  rows.resize(std::min(most, rows.size()));
  return rows;
}

std::string likely_reason(const JudgedStep& row) {
  const MeasuredStep& step = row.step;
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
  if (is_closed_loop(row)) {
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
