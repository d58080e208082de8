#include <fmt/format.h>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/serving.hpp"

namespace moesaic {
namespace {

std::string latency_table(const ServingFigures& figures) {
  HtmlTable table{.caption = "Latency", .heads = {"", "mean", "p50", "p90", "p99"}, .rows = {}};
  for (const NamedTimes& row : named_times(figures)) {
    table.rows.push_back({html_text(row.name)});
    for (const Seconds time : {row.times.mean, row.times.p50, row.times.p90, row.times.p99}) {
      // Bars of a row compare its percentiles.
      table.rows.back().push_back(
          html_share(to_text(time), row.times.p99 > Seconds{} ? std::min(1.0, time / row.times.p99) : 0));
    }
  }
  return html_table(table);
}

std::string fact_table(const ServingReport& report) {
  HtmlTable table{.caption = "Throughput and steps", .heads = {"", "", ""}, .rows = {}};
  for (const std::vector<std::string>& row : serving_facts(report)) {
    table.rows.push_back({html_text(row[0]), html_text(row[1]), html_text(row[2])});
  }
  return html_table(table);
}

std::string rate_table(const ServingReport& report) {
  HtmlTable table{.caption = "Rates that were tried", .heads = {"requests/s", "queue grew by", "kept up"}, .rows = {}};
  table.first_number = 0;
  for (const ServingGoal& goal : report.goals) {
    table.heads.push_back(fmt::format("{} at most {}", to_text(goal), to_text(goal.most)));
  }
  for (const TriedRate& tried : report.search->tried) {
    table.rows.push_back({rate_text(tried.rate), count_text(tried.grown), tried.kept_up ? "yes" : "no"});
    for (const ServingGoal& goal : report.goals) {
      table.rows.back().push_back(html_text(to_text(value_of(tried.figures, goal))));
    }
  }
  return html_table(table);
}

}  // namespace

std::string serving_page(const ServingReport& report, const std::string& command) {
  const ServingFigures& figures = report.figures;
  const std::vector<std::string> question = serving_question(report);
  std::string main = "<section class=\"single\">\n";
  for (std::size_t i = 1; i < question.size(); ++i) {
    main += fmt::format("<p>{}</p>\n", html_text(question[i]));
  }
  main += "<div class=\"metrics\">\n";
  if (report.search) {
    main +=
        html_metric("highest sustainable rate", rate_text(report.search->rate), "requests/s; all figures are at it");
  }
  main += html_metric("output tokens/s", rate_text(figures.output_tokens), "");
  main += html_metric("TTFT", to_text(figures.ttft.p50), "median; p99 " + to_text(figures.ttft.p99));
  if (figures.tbt) {
    main += html_metric("TBT", to_text(figures.tbt->p50), "median; p99 " + to_text(figures.tbt->p99));
  }
  main += html_metric("end to end", to_text(figures.end_to_end.p50), "median; p99 " + to_text(figures.end_to_end.p99));
  main += "</div>\n" + latency_table(figures) + fact_table(report);
  main += report.search ? rate_table(report) : "";
  return page_document({.title = question.front(),
                        .command = command,
                        .navigation = "",
                        .main = main + "</section>\n",
                        .footer = "Percentiles of TBT are over all tokens, those of the others over requests.",
                        .data = "[]"});
}

}  // namespace moesaic
