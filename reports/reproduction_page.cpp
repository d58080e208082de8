// The page of reproduced studies: one table each; rows out of their target are marked.
#include <fmt/format.h>

#include "base/error.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/reproduction.hpp"

namespace moesaic {
namespace {

std::string published_text(const Amount& amount) {
  Amount most = amount;
  most.least = most.most;
  return to_text(amount, amount.least) + (amount.most > amount.least ? " to " + to_text(most, amount.most) : "");
}

std::string verdict(const ReproducedRow& row) {
  if (row.row.calibrated) {
    return "calibrated";
  }
  return row.within ? "within" : "<strong class=\"missed\">missed</strong>";
}

std::string table_of(const Reproduction& study) {
  const std::string title = study.study.system + (study.study.title.empty() ? "" : ": " + study.study.title);
  HtmlTable table{title, {"row", "quantity", "where", "class", "", "published", "predicted", "error", "target"}, {}, 5};
  std::string reasons;  // below the table: in a cell, long ones would push the numbers out of sight
  for (const ReproducedRow& row : study.rows) {
    const bool predicted = row.unfit.empty();
    if (predicted && !row.partial.empty()) {
      reasons += "<p>" + html_text(row.row.id + ": " + row.partial) + "</p>\n";
    }
    if (!predicted) {
      reasons += "<p>" + html_text(row.row.id + ": " + row.unfit) + "</p>\n";
    }
    if (!row.within && !row.row.reason.empty()) {
      reasons += "<p>" + html_text(row.row.id + ": " + row.row.reason) + "</p>\n";
    }
    table.rows.push_back({html_text(row.row.id), html_text(row.row.quantity), html_text(row.row.where),
                          html_text(to_text(row.row.kind)), verdict(row), html_text(published_text(row.row.published)),
                          predicted ? html_text(to_text(row.row.published, row.predicted)) : "-",
                          predicted ? fmt::format("{:+.1f}%", 100 * row.error) : "-",
                          row.row.target > 0 ? percent_text(row.row.target) : "exact"});
  }
  std::string notes = "<p>" + html_text(study.study.source) + "</p>\n";
  if (!study.study.note.empty()) {
    notes += "<p>" + html_text(study.study.note) + "</p>\n";
  }
  return html_table(table) + notes + reasons;
}

}  // namespace

std::string reproduction_page(const std::vector<Reproduction>& studies, const std::string& command) {
  const ReproductionScores scores = reproduction_scores(studies);
  HtmlTable summary{fmt::format("{} of {} rows within their targets", scores.within, scores.rows),
                    {"class", "rows", "within", "median error", "worst error"},
                    {},
                    1};
  const auto add = [&](const char* name, const ReproductionScores::Class& one) {
    if (one.rows > 0) {
      summary.rows.push_back({name, count_text(static_cast<double>(one.rows)),
                              count_text(static_cast<double>(one.within)), percent_text(one.median),
                              percent_text(one.worst)});
    }
  };
  add("closed-form", scores.closed_form);
  add("measured", scores.measured);
  add("ratio", scores.ratio);
  std::string main = "<section class=\"single\">\n" + html_table(summary);
  for (const Reproduction& study : studies) {
    main += table_of(study);
  }
  return page_document({.title = "Published numbers: predicted beside published",
                        .command = command,
                        .navigation = "",
                        .main = main + "</section>\n",
                        .footer = "Error: predicted / published - 1. Closed forms must print the same digits.",
                        .data = "{}"});
}

}  // namespace moesaic
