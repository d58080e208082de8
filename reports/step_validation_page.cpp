// The page of judged steps: the tables of the text.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/step_validation.hpp"

namespace moesaic {
namespace {

void add_scores(HtmlTable& table, std::vector<std::string> cells, const std::vector<const JudgedStep*>& rows) {
  const StepScores scores = step_scores(rows, StepBasis::measured);
  cells.insert(cells.end(), {count_text(static_cast<double>(scores.rows)), percent_text(scores.median),
                             percent_text(scores.p90), signed_percent(scores.bias)});
  for (const StepBasis basis : {StepBasis::kernels, StepBasis::efficiency, StepBasis::peak}) {
    const StepScores other = step_scores(rows, basis);
    cells.push_back(percent_text(other.median) + " / " + percent_text(other.p90));
  }
  table.rows.push_back(std::move(cells));
}

HtmlTable step_score_table(std::string caption, std::vector<std::string> heads) {
  const std::size_t first_number = heads.size();
  heads.insert(heads.end(), {"rows", "median", "p90", "bias", "kernels alone", "efficiencies", "roofline"});
  return {std::move(caption), std::move(heads), {}, first_number};
}

std::string tables(const StepJudgement& judgement, StepScope scope) {
  std::string heading(title(scope));
  heading[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(heading[0])));
  HtmlTable halves = step_score_table(heading + ": both halves; pairs are median / p90", {"half"});
  for (const bool fitted : {true, false}) {
    const std::vector<const JudgedStep*> rows = scope_rows(judgement, scope, fitted);
    if (scope == StepScope::layers && fitted) {
      continue;  // nothing is fitted on layers
    }
    add_scores(halves, {fitted ? "fitted" : "scored"}, rows);
  }
  HtmlTable groups = step_score_table(heading + ": groups of the scored half", {"by", "group"});
  for (const StepGroup& group : step_groups(judgement, scope)) {
    add_scores(groups, {html_text(group.by), html_text(group.name)}, group.rows);
  }
  HtmlTable worst{heading + ": the worst of the scored half",
                  {"what", "from", "likely reason", "measured", "predicted", "error"},
                  {},
                  3};
  for (const JudgedStep* row : worst_steps(judgement, scope, 10)) {
    const MeasuredStep& step = row->step;
    worst.rows.push_back({html_text(step_text(step)), html_text(fmt::format("{}:{}", step.file, step.line)),
                          html_text(likely_reason(*row)), to_text(step.measured), to_text(row->predicted[0]),
                          signed_percent(row->error(StepBasis::measured))});
  }
  return html_table(halves) + html_table(groups) + html_table(worst);
}

}  // namespace

std::string step_validation_page(const StepValidation& validation, const std::string& command) {
  const StepJudgement& judgement = validation.judgement;
  HtmlTable left_out{"Rows that were not judged", {"why", "rows"}, {}, 1};
  for (const auto& [why, rows] : judgement.not_judged) {
    left_out.rows.push_back({html_text(why), count_text(static_cast<double>(rows))});
  }
  std::string main = "<section class=\"single\">\n";
  for (const StepScope scope : kStepScopes) {
    main += tables(judgement, scope);
  }
  return page_document(
      {.title = "Whole steps: predicted against measured",
       .command = command,
       .navigation = "",
       .main = main + html_table(left_out) + "</section>\n",
       .footer = "Errors are |predicted / measured - 1|. Layers are the kernels of one layer, profiled one by one "
                 "and added up: nothing of an engine is in them.",
       .data = "{}"});
}

}  // namespace moesaic
