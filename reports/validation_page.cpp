// The page of a validation: what it found, charts, and the tables behind them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/validation_parts.hpp"

namespace moesaic {
namespace {

std::string verdict(const Validation& validation) {
  const std::vector<TargetScores> targets = target_scores(validation);
  const auto met = std::count_if(targets.begin(), targets.end(),
                                 [](const TargetScores& item) { return meets(*item.target, item.scores); });
  std::string html = fmt::format("<p>{} judged, {} not.</p>\n", rows_text(validation.judgement.rows.size()),
                                 rows_text(validation.judgement.not_judged));
  if (validation.seen_rows > 0) {
    html += fmt::format("<p class=\"note\">{} have shapes that their profile was fitted on: no proof.</p>\n",
                        rows_text(validation.seen_rows));
  }
  if (validation.judgement.not_judged > 0) {
    html += fmt::format("<p class=\"note\">First row that was not judged: {}</p>\n",
                        html_text(validation.judgement.why_not));
  }
  if (targets.empty()) {
    return html;
  }
  std::size_t groups = 0, groups_met = 0;
  for (const TargetScores& item : targets) {
    groups += item.groups;
    groups_met += item.groups_met;
  }
  const bool all = static_cast<std::size_t>(met) == targets.size();
  return fmt::format("<p class=\"verdict {}\">{} of {} accuracy targets met over all devices and stacks</p>\n",
                     all ? "fits" : "fails", met, targets.size()) +
         fmt::format("<p>{} of {} groups of one device, stack, operator and data type meet theirs.</p>\n", groups_met,
                     groups) +
         html;
}

Figure errors_figure(const std::vector<KindRows>& kinds) {
  return {.kind = "errors",
          .phase = "",
          .title = "Errors beside the baselines",
          .finding = "The same rows, predicted in three ways.",
          .reading =
              "Each bar runs from the median of |predicted / measured - 1| to its 90th percentile: further left is "
              "better. Black ticks are the project's targets for the two ends of the blue bar; operators whose targets "
              "depend on the data type have theirs in the table.",
          .wide = true,
          .height = kScoreAxis + kScoreRow * static_cast<int>(kinds.size()),
          .table = ""};
}

Figure scatter_figure(const KindRows& kind) {
  const JudgedGroup& scores = kind.scores;
  std::string finding = fmt::format("Median error {}, 90th percentile {}, {} of {} inside their 90% interval.",
                                    percent_text(scores.median_abs_error), percent_text(scores.p90_abs_error),
                                    percent_text(scores.coverage90), rows_text(scores.rows));
  if (scores.rows > kMostPoints) {
    finding += fmt::format(" {} of them are drawn.", count_text(static_cast<double>(kMostPoints)));
  }
  return {.kind = "scatter",
          .phase = "",
          .title = "Predicted against measured: " + title_of(scores),
          .finding = finding,
          .reading =
              "Each mark is one measured kernel. On the line the prediction is exact; in the grey band it is "
              "within 10%; above the line it is too slow.",
          .wide = false,
          .height = 520,
          .table = ""};
}

std::string pair_cell(double median, double p90) {
  return std::isfinite(median) ? percent_text(median) + " / " + percent_text(p90) : "-";
}

std::vector<std::string> score_cells(const JudgedGroup& scores, const AccuracyTarget* target) {
  std::string asked;
  if (target != nullptr) {
    asked =
        pair_cell(target->median_abs_error, target->p90_abs_error) +
        (meets(*target, scores) ? " <strong class=\"met\">met</strong>" : " <strong class=\"missed\">missed</strong>");
  }
  return {count_text(static_cast<double>(scores.rows)),
          percent_text(scores.median_abs_error),
          percent_text(scores.p90_abs_error),
          fmt::format("{:+.1f}%", 100 * scores.bias),
          percent_text(scores.coverage50),
          intervals_hold(scores) ? percent_text(scores.coverage90)
                                 : "<strong class=\"missed\">" + percent_text(scores.coverage90) + "</strong>",
          asked,
          pair_cell(scores.roofline_median, scores.roofline_p90),
          pair_cell(scores.constant_median, scores.constant_p90)};
}

HtmlTable score_table(std::string caption, std::vector<std::string> heads) {
  const std::size_t first_number = heads.size();
  heads.insert(heads.end(),
               {"rows", "median", "p90", "bias", "in 50%", "in 90%", "target", "roofline", "one efficiency"});
  return {std::move(caption), std::move(heads), {}, first_number};
}

void add_row(HtmlTable& table, const std::vector<std::string>& texts, const JudgedGroup& scores,
             const AccuracyTarget* target) {
  std::vector<std::string> cells;
  std::transform(texts.begin(), texts.end(), std::back_inserter(cells),
                 [](const std::string& text) { return html_text(text); });
  for (std::string& cell : score_cells(scores, target)) {
    cells.push_back(std::move(cell));
  }
  table.rows.push_back(std::move(cells));
}

std::string score_tables(const Validation& validation, const std::vector<KindRows>& kinds) {
  HtmlTable targets =
      score_table("Targets, over all devices and stacks; pairs are median / p90", {"target", "met by groups"});
  for (const TargetScores& item : target_scores(validation)) {
    add_row(targets, {std::string(item.target->name), fmt::format("{} of {}", item.groups_met, item.groups)},
            item.scores, item.target);
  }
  HtmlTable all = score_table("Operators, over all devices and stacks", {"operator", "mode"});
  for (const auto& [scores, rows] : kinds) {
    add_row(all, {scores.kind, std::string(name(scores.mode))}, scores, find_target(scores.kind, "", scores.mode));
  }
  HtmlTable groups =
      score_table("By device, stack, operator and data type", {"device", "stack", "operator", "data", "mode"});
  for (const JudgedGroup& group : validation.judgement.groups) {
    add_row(groups, {group.device, group.stack, group.kind, group.dtype, std::string(name(group.mode))}, group,
            find_target(group.kind, group.dtype, group.mode));
  }
  return (targets.rows.empty() ? "" : html_table(targets)) + html_table(all) + html_table(groups);
}

std::string worst_table(const Validation& validation, const std::vector<KindRows>& kinds) {
  HtmlTable table{
      "The worst rows of each operator",
      {"operator", "mode", "device", "stack", "data", "kernel", "shape", "from", "measured", "predicted", "error"},
      {},
      8};
  for (const KindRows& kind : kinds) {
    for (const std::uint32_t i : worst_rows(validation.judgement, kind.rows, kWorstShown)) {
      const JudgedRow& row = validation.judgement.rows[i];
      const MeasurementKey& key = key_of(validation, row);
      table.rows.push_back({html_text(kind.scores.kind), html_text(name(row.mode)), html_text(key.device),
                            html_text(key.stack), html_text(judged_dtype(key)), html_text(key.kernel),
                            "<code>" + html_text(shape_text(measurement_of(validation, row), key.family)) + "</code>",
                            "<code>" + html_text(place_of(validation, row)) + "</code>",
                            html_text(to_text(Seconds{row.measured})), html_text(to_text(Seconds{row.predicted})),
                            fmt::format("{:+.1f}%", 100 * row.error())});
    }
  }
  return html_table(table);
}

}  // namespace

std::string title_of(const JudgedGroup& kind) {
  std::string mode(name(kind.mode));
  std::replace(mode.begin(), mode.end(), '_', ' ');
  return kind.kind + ", " + mode;
}

std::string validation_page(const Validation& validation, const std::string& command) {
  const std::vector<KindRows> kinds = rows_by_kind(validation);
  std::string main = "<section class=\"single\">\n" + verdict(validation);
  if (!kinds.empty()) {
    main += "<div class=\"figures\">\n" + figure_html(errors_figure(kinds), "");
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      main += figure_html(scatter_figure(kinds[i]), std::to_string(i));
    }
    main += "</div>\n" + score_tables(validation, kinds) + worst_table(validation, kinds);
  }
  return page_document({.title = "Operators: predicted against measured",
                        .command = command,
                        .navigation = "",
                        .main = main + "</section>\n",
                        .footer = "Horizontal axes: measured times. Vertical axes: predictions.",
                        .data = validation_page_data(validation, kinds)});
}

}  // namespace moesaic
