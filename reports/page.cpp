// The HTML page of predictions.
#include <fmt/format.h>

#include "reports/comparison.hpp"
#include "reports/html.hpp"
#include "reports/page_parts.hpp"
#include "reports/report.hpp"

namespace moesaic {
namespace {

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
  std::string main = overview_html(sections);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    main += section_html(sections[i], i, sections.size() > 1);
  }
  return page_document({.title = title_of(sections),
                        .command = command,
                        .navigation = navigation(sections),
                        .main = std::move(main),
                        .footer = "Times are predictions, not measurements.",
                        .data = page_data(sections)});
}

}  // namespace moesaic
