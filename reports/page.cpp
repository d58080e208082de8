// The HTML page: one file with its style, scripts, chart library and data.
#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/comparison.hpp"
#include "reports/html.hpp"
#include "reports/page_parts.hpp"
#include "reports/report.hpp"

namespace moesaic {
namespace {

// Nothing may be fetched: the policy makes the browser refuse what a mistake would ask for.
constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
)";

std::string title_of(const std::vector<PageSection>& sections) {
  return sections.size() == 1 ? sections[0].title : fmt::format("{} predictions compared", sections.size());
}

std::string navigation(const std::vector<PageSection>& sections) {
  if (sections.size() < 2) {
    return "";
  }
  std::string links;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    links += fmt::format("<a href=\"#section-{}\">{}</a>\n", i, html_text(sections[i].title));
  }
  return "<nav aria-label=\"Sections\">\n" + links + "</nav>\n";
}

}  // namespace

std::string overview_html(const std::vector<PageSection>& sections) {
  if (sections.size() < 2) {
    return "";
  }
  std::vector<Prediction> predictions;
  HtmlTable table{"Predictions side by side; the best of those that fit is marked", {""}, {}, 1};
  bool curves = false;
  for (const PageSection& section : sections) {
    predictions.push_back(section.prediction);
    table.heads.push_back(section.title);
    curves = curves || !section.sweep.empty();
  }
  for (const ComparedRow& row : compare(predictions)) {
    std::vector<std::string> cells{html_text(row.name)};
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const std::string text = html_text(row.cells[i]);
      cells.push_back(row.best[i] ? "<strong class=\"best\">" + text + "</strong>" : text);
    }
    table.rows.push_back(std::move(cells));
  }
  std::string html = "<section class=\"overview\">\n<h2>Comparison</h2>\n" + html_table(table);
  if (curves) {
    html += "<div class=\"figures\">\n" +
            figure_html({.kind = "overlay",
                         .phase = "",
                         .title = "Throughput of all against batch",
                         .finding = "Predicted output tokens per second of every section over its batch.",
                         .reading = "One line per section; crosses mark batches that do not fit in memory at once.",
                         .wide = true,
                         .height = 380,
                         .table = ""},
                        "") +
            "</div>\n";
  }
  return html + "</section>\n";
}

std::string prediction_page(const std::vector<PageSection>& sections, const std::string& command) {
  const std::string title = html_text(title_of(sections));
  std::string page = kHead;
  page += fmt::format("<title>{} - moesaic</title>\n<style>\n{}</style>\n</head>\n<body>\n", title, page_style());
  page += fmt::format("<header class=\"top\">\n<p class=\"brand\">moesaic</p>\n<h1>{}</h1>\n", title);
  if (!command.empty()) {
    page += fmt::format("<p class=\"command\"><span>Made by</span> <code>{}</code></p>\n", html_text(command));
  }
  page += navigation(sections) + "</header>\n<main>\n" + overview_html(sections);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    page += section_html(sections[i], i, sections.size() > 1);
  }
  page += "</main>\n<footer>Times are predictions, not measurements. Charts: Chart.js, MIT licence.</footer>\n";
  page += "<noscript><p>The charts of this page need JavaScript; the tables do not.</p></noscript>\n";
  page +=
      fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n", json_for_script(page_data(sections)));
  page += fmt::format("<script>{}</script>\n<script>{}</script>\n", chart_library(), page_script());
  return page + "</body>\n</html>\n";
}

}  // namespace moesaic
