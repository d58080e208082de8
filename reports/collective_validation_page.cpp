// The page of judged collectives: both targets, charts by place, and the tables of the text.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/quantity_text.hpp"
#include "reports/collective_validation.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/validation_parts.hpp"

namespace moesaic {
namespace {

/// What one chart shows: collectives or exchanges of one place, predicted in one way.
std::vector<KindRows> chart_kinds(const Validation& validation) {
  std::map<std::tuple<NodePlace, Family, JudgeMode>, RowSet> sets;
  const std::vector<JudgedRow>& rows = validation.judgement.rows;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    sets[{node_place(validation, rows[i]), key_of(validation, rows[i]).family, rows[i].mode}].push_back(i);
  }
  std::vector<KindRows> kinds;
  for (auto& [key, set] : sets) {
    const auto& [place, family, mode] = key;
    kinds.push_back({score(validation.judgement, set), std::move(set)});
    kinds.back().scores.kind =
        fmt::format("{} {}", family == Family::collective ? "collectives" : "exchanges", title(place));
  }
  return kinds;
}

std::string verdict(const Validation& validation, const std::vector<CollectiveGroup>& groups) {
  std::string html;
  for (const CollectiveGroup& group : groups) {
    if (group.by == "place") {
      const bool met = group.scores.median_abs_error <= collective_target(group.place);
      html += fmt::format("<p class=\"verdict {}\">{}: median error {} of {}, target {} {}</p>\n",
                          met ? "fits" : "fails", group.place == NodePlace::inside ? "Inside a node" : "Across nodes",
                          percent_text(group.scores.median_abs_error), rows_text(group.scores.rows),
                          percent_text(collective_target(group.place)), met ? "met" : "missed");
    }
  }
  html += fmt::format("<p>{} judged, {} not.</p>\n", rows_text(validation.judgement.rows.size()),
                      rows_text(validation.judgement.not_judged));
  if (validation.seen_rows > 0) {
    html += fmt::format("<p class=\"note\">{} have shapes that their profile was fitted on: no proof.</p>\n",
                        rows_text(validation.seen_rows));
  }
  return html;
}

std::string figures(const std::vector<KindRows>& kinds) {
  std::string html = figure_html(
      {.kind = "errors",
       .phase = "",
       .title = "Errors beside the baselines",
       .finding = "The same rows, predicted in three ways.",
       .reading =
           "Each bar runs from the median of |predicted / measured - 1| to its 90th percentile: further left is "
           "better. The roofline is the closed form of the fastest algorithm at peak figures, with its latencies.",
       .wide = true,
       .height = kScoreAxis + kScoreRow * static_cast<int>(kinds.size()),
       .table = ""},
      "");
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const JudgedGroup& scores = kinds[i].scores;
    std::string finding = fmt::format("Median error {}, 90th percentile {}, {} of {} inside their 90% interval.",
                                      percent_text(scores.median_abs_error), percent_text(scores.p90_abs_error),
                                      percent_text(scores.coverage90), rows_text(scores.rows));
    if (scores.rows > kMostPoints) {
      finding += fmt::format(" {} of them are drawn.", count_text(static_cast<double>(kMostPoints)));
    }
    html +=
        figure_html({.kind = "scatter",
                     .phase = "",
                     .title = "Predicted against measured: " + title_of(scores),
                     .finding = finding,
                     .reading = "Each mark is one measurement. On the line the prediction is exact; in the grey band "
                                "it is within 10%; above the line it is too slow.",
                     .wide = false,
                     .height = 520,
                     .table = ""},
                    std::to_string(i));
  }
  return "<div class=\"figures\">\n" + html + "</div>\n";
}

std::string group_table(const std::vector<CollectiveGroup>& groups, NodePlace place) {
  HtmlTable table{fmt::format("Groups {}; pairs are median / p90", title(place)),
                  {"by", "group", "rows", "median", "p90", "bias", "in 50%", "in 90%", "closed form", "one efficiency"},
                  {},
                  2};
  std::string last;
  for (const CollectiveGroup& group : groups) {
    if (group.place != place) {
      continue;
    }
    const JudgedGroup& scores = group.scores;
    const std::string in90 = percent_text(scores.coverage90);
    table.rows.push_back({html_text(group.by == last ? "" : group.by),
                          html_text(group.by == "place" ? std::string(title(place)) : group.name),
                          count_text(static_cast<double>(scores.rows)), percent_text(scores.median_abs_error),
                          percent_text(scores.p90_abs_error), signed_percent(scores.bias),
                          percent_text(scores.coverage50),
                          intervals_hold(scores) ? in90 : "<strong class=\"missed\">" + in90 + "</strong>",
                          pair_text(scores.roofline_median, scores.roofline_p90),
                          pair_text(scores.constant_median, scores.constant_p90)});
    last = group.by;
  }
  return table.rows.empty() ? "" : html_table(table);
}

std::string worst_table(const Validation& validation, const std::vector<CollectiveGroup>& groups) {
  HtmlTable table{
      "The worst rows of each place",
      {"place", "collective", "implementation", "device", "shape", "from", "measured", "predicted", "error"},
      {},
      6};
  for (const CollectiveGroup& group : groups) {
    if (group.by != "place") {
      continue;
    }
    for (const std::uint32_t i : worst_rows(validation.judgement, group.rows, kWorstShown)) {
      const JudgedRow& row = validation.judgement.rows[i];
      const MeasurementKey& key = key_of(validation, row);
      table.rows.push_back({html_text(title(group.place)), html_text(collective_of(key)),
                            html_text(implementation_of(key)), html_text(key.device),
                            "<code>" + html_text(shape_text(measurement_of(validation, row), key.family)) + "</code>",
                            "<code>" + html_text(place_of(validation, row)) + "</code>",
                            html_text(to_text(Seconds{row.measured})), html_text(to_text(Seconds{row.predicted})),
                            signed_percent(row.error())});
    }
  }
  return html_table(table);
}

std::string reasons_table(const Judgement& judgement) {
  HtmlTable table{"Rows that were not judged", {"why", "rows"}, {}, 1};
  for (const auto& [why, rows] : judgement.reasons) {
    table.rows.push_back({html_text(why), count_text(static_cast<double>(rows))});
  }
  return table.rows.empty() ? "" : html_table(table);
}

}  // namespace

std::string collective_validation_page(const CollectiveValidation& run, const std::string& command) {
  const Validation& validation = run.validation;
  const std::vector<CollectiveGroup> groups = collective_groups(validation);
  const std::vector<KindRows> kinds = chart_kinds(validation);
  std::string main = "<section class=\"single\">\n" + verdict(validation, groups);
  if (!kinds.empty()) {
    main += figures(kinds);
    for (const NodePlace place : kNodePlaces) {
      main += group_table(groups, place);
    }
    main += worst_table(validation, groups);
  }
  return page_document({.title = "Collectives: predicted against measured",
                        .command = command,
                        .navigation = "",
                        .main = main + reasons_table(validation.judgement) + "</section>\n",
                        .footer = "Horizontal axes: measured times. Vertical axes: predictions.",
                        .data = validation_page_data(validation, kinds)});
}

}  // namespace moesaic
