// The page of judged steps: the tables of the text.
#include <fmt/format.h>

#include <algorithm>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/step_validation.hpp"

namespace moesaic {
namespace {

std::string signed_percent(double fraction) { return fmt::format("{:+.1f}%", 100 * fraction); }

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

HtmlTable score_table(std::string caption, std::vector<std::string> heads) {
  const std::size_t first_number = heads.size();
  heads.insert(heads.end(), {"rows", "median", "p90", "bias", "kernels alone", "efficiencies", "roofline"});
  return {std::move(caption), std::move(heads), {}, first_number};
}

std::string tables(const StepJudgement& judgement, bool closed_loop) {
  const std::string title = closed_loop ? "Closed-loop time per output token" : "Fixed-batch steps";
  HtmlTable halves = score_table(title + ": both halves; pairs are median / p90", {"half"});
  for (const bool fitted : {true, false}) {
    std::vector<const JudgedStep*> rows;
    for (const JudgedStep& row : judgement.rows) {
      if (row.fitted == fitted && is_closed_loop(row) == closed_loop) {
        rows.push_back(&row);
      }
    }
    add_scores(halves, {fitted ? "fitted" : "scored"}, rows);
  }
  HtmlTable groups = score_table(title + ": groups of the scored half", {"by", "group"});
  for (const StepGroup& group : step_groups(judgement, closed_loop)) {
    add_scores(groups, {html_text(group.by), html_text(group.name)}, group.rows);
  }
  HtmlTable worst{title + ": the worst of the scored half",
                  {"what", "from", "likely reason", "measured", "predicted", "error"},
                  {},
                  3};
  for (const JudgedStep* row : worst_steps(judgement, closed_loop, 10)) {
    const MeasuredStep& step = row->step;
    worst.rows.push_back(
        {html_text(fmt::format("{} {} {} {} {} {} x{} {}/{}", name(step.kind), step.device, step.software, step.model,
                               step.format, step.mapping, step.batch, step.input, step.output)),
         html_text(fmt::format("{}:{}", step.file, step.line)), html_text(likely_reason(*row)), to_text(step.measured),
         to_text(row->predicted[0]), signed_percent(row->error(StepBasis::measured))});
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
  return page_document({.title = "Whole steps: predicted against measured",
                        .command = command,
                        .navigation = "",
                        .main = "<section class=\"single\">\n" + tables(judgement, false) + tables(judgement, true) +
                                html_table(left_out) + "</section>\n",
                        .footer = "Errors are |predicted / measured - 1|.",
                        .data = "{}"});
}

}  // namespace moesaic
