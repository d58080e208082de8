// The text of judged steps: both halves beside the baselines, the scored half by groups, the terms, the worst rows.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/step_validation.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kWorst = 10;

std::string scores_text(const StepScores& scores) {
  return percent_text(scores.median) + " / " + percent_text(scores.p90);
}

std::vector<Column> step_columns(std::vector<Column> first) {
  for (const char* head : {"rows", "median", "p90", "bias", "kernels alone", "efficiencies", "roofline"}) {
    first.push_back({head, Align::right});
  }
  return first;
}

void add_scores(Table& table, std::vector<std::string> cells, const std::vector<const JudgedStep*>& rows) {
  const StepScores scores = step_scores(rows, StepBasis::measured);
  cells.insert(cells.end(), {count_text(static_cast<double>(scores.rows)), percent_text(scores.median),
                             percent_text(scores.p90), signed_percent(scores.bias)});
  for (const StepBasis basis : {StepBasis::kernels, StepBasis::efficiency, StepBasis::peak}) {
    cells.push_back(scores_text(step_scores(rows, basis)));
  }
  table.add(std::move(cells));
}

std::string halves_text(const StepValidation& validation, const TextStyle& style) {
  std::vector<Column> columns = step_columns({{"steps"}, {"half"}});
  columns.insert(columns.end(), {{"target"}, {""}});
  Table table(columns);
  for (const StepScope scope : kStepScopes) {
    for (const bool fitted : {true, false}) {
      const std::vector<const JudgedStep*> rows = scope_rows(validation.judgement, scope, fitted);
      if (rows.empty()) {
        continue;
      }
      std::vector<std::string> cells{std::string(title(scope)), fitted ? "fitted" : "scored"};
      add_scores(table, cells, rows);
      if (!fitted) {
        const bool met = step_scores(rows, StepBasis::measured).median <= step_target(scope);
        table.add({"", "", "", percent_text(step_target(scope)), "", "", "", "", "", "target",
                   met ? paint("met", Paint::good, style) : paint("missed", Paint::bad, style)});
      }
    }
  }
  return heading("Both halves", style) + table.text(style);
}

std::string groups_text(const StepValidation& validation, StepScope scope, const TextStyle& style) {
  Table table(step_columns({{"by"}, {std::string(title(scope))}}));
  std::string last;
  for (const StepGroup& group : step_groups(validation.judgement, scope)) {
    add_scores(table, {group.by == last ? "" : group.by, printable(group.name)}, group.rows);
    last = group.by;
  }
  return table.empty() ? "" : heading(fmt::format("Scored half, {}", title(scope)), style) + table.text(style);
}

std::string terms_text(const StepValidation& validation, const TextStyle& style) {
  Table table({{"engine"},
               {"terms"},
               {"host time", Align::right},
               {"sampling", Align::right},
               {"kernel gap", Align::right},
               {"launch", Align::right},
               {"prompt token", Align::right}});
  const auto add = [&](const std::vector<Software>& all, const char* which) {
    for (const Software& software : all) {
      const SoftwareTerms& terms = software.terms;
      table.add({printable(software.name), which, to_text(terms.host_time), to_text(terms.sampling),
                 to_text(terms.kernel_gap), to_text(terms.launch), to_text(terms.prompt_token)});
    }
  };
  add(validation.judgement.used, "used");
  add(validation.judgement.fitted, "fitted on these rows");
  return heading("Terms of the engines", style) + table.text(style);
}

std::string worst_text(const StepValidation& validation, StepScope scope, const TextStyle& style) {
  Table table({{"error", Align::right},
               {"measured", Align::right},
               {"predicted", Align::right},
               {"kernels", Align::right},
               {"what"},
               {"from"},
               {"likely reason"}});
  for (const JudgedStep* row : worst_steps(validation.judgement, scope, kWorst)) {
    const MeasuredStep& step = row->step;
    table.add({signed_percent(row->error(StepBasis::measured)), to_text(step.measured), to_text(row->predicted[0]),
               to_text(row->predicted[1]), printable(step_text(step), 200),
               printable(fmt::format("{}:{}", step.file, step.line)), likely_reason(*row)});
  }
  return table.empty() ? "" : heading(fmt::format("Worst, {}", title(scope)), style) + table.text(style);
}

}  // namespace

std::string step_validation_text(const StepValidation& validation, const TextStyle& style) {
  const StepJudgement& judgement = validation.judgement;
  std::size_t not_judged = 0;
  for (const auto& [why, rows] : judgement.not_judged) {
    not_judged += rows;
  }
  std::string text =
      fmt::format("{} steps judged, {} rows not\n", count_text(static_cast<double>(judgement.rows.size())),
                  count_text(static_cast<double>(not_judged)));
  for (const std::string& path : validation.data) {
    text += "  " + printable(path, 400) + '\n';
  }
  text += paint(
      "Errors are |predicted / measured - 1|: median and 90th percentile (p90); pairs are median / p90. Bias: the "
      "median\nwith its sign. Kernels alone: measured kernels without the engine's terms; efficiencies: the profile "
      "'default';\nroofline: peak rates. The terms were fitted on the fitted half; halves hold whole configurations. "
      "Layers are the\n"
      "kernels of one layer, profiled one by one and added up: nothing of an engine is in them, and nothing was "
      "fitted.\n",
      Paint::dim, style);
  text += halves_text(validation, style);
  for (const StepScope scope : kStepScopes) {
    text += groups_text(validation, scope, style);
  }
  text += terms_text(validation, style);
  for (const StepScope scope : kStepScopes) {
    text += worst_text(validation, scope, style);
  }
  if (not_judged > 0) {
    text += heading("Not judged", style);
    Table table({{"rows", Align::right}, {"why"}});
    for (const auto& [why, rows] : judgement.not_judged) {
      table.add({count_text(static_cast<double>(rows)), printable(why, 300)});
    }
    text += table.text(style);
  }
  return text;
}

}  // namespace moesaic
