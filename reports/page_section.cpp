// One section of the page: verdict, figures of merit, what was asked, charts, tables.
#include <fmt/format.h>

#include "reports/html.hpp"
#include "reports/page_parts.hpp"
#include "reports/summary.hpp"

namespace moesaic {
namespace {

std::string cards(const Prediction& prediction) {
  std::string html = "<div class=\"metrics\">\n";
  for (const Metric& metric : metrics(prediction)) {
    html += fmt::format("<div class=\"metric\"><span>{}</span><strong>{}</strong><small>{}</small></div>\n",
                        html_text(metric.name), html_text(metric.text), html_text(metric.remark));
  }
  return html + "</div>\n";
}

std::string facts(const Prediction& prediction) {
  std::string html = "<dl class=\"facts\">\n";
  for (const Fact& fact : question(prediction)) {
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_text(fact.name), html_text(fact.value));
  }
  return html + "</dl>\n";
}

}  // namespace

std::string section_html(const PageSection& section, std::size_t index, bool titled) {
  const Prediction& prediction = section.prediction;
  std::string html = fmt::format("<section id=\"section-{}\" class=\"{}\">\n", index, titled ? "titled" : "single");
  if (titled) {
    html += fmt::format("<h2>{}</h2>\n", html_text(section.title));
  }
  html += fmt::format("<p class=\"verdict {}\">{}</p>\n", prediction.fits ? "fits" : "fails",
                      html_text(verdict_text(prediction)));
  if (const std::string note = verdict_note(prediction); !note.empty()) {
    html += fmt::format("<p class=\"note\">{}</p>\n", html_text(note));
  }
  html += facts(prediction);
  if (runs(prediction)) {
    html += cards(prediction);
  }
  return html + "<div class=\"figures\">\n" + charts_html(section, index) + "</div>\n" + tables_html(section) +
         "</section>\n";
}

}  // namespace moesaic
