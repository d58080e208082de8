// Parts of the HTML pages.
#pragma once

#include <string>
#include <vector>

#include "reports/report.hpp"

namespace moesaic {

/// A whole page. Title, command and footer are text; navigation and main are markup; data is JSON, an array whose
/// elements the charts of figure_html() name by their index.
struct PageDocument {
  std::string title;
  std::string command;  ///< that made it; may be empty
  std::string navigation;
  std::string main;
  std::string footer;
  std::string data;
};
std::string page_document(const PageDocument& document);

/// One section; `index` makes its identifiers unique; `titled`: with its title above. Its canvases are drawn by
/// page/*.js from page_data().
std::string section_html(const PageSection& section, std::size_t index, bool titled);

/// The charts of one section, only those that have something to show.
std::string charts_html(const PageSection& section, std::size_t index);
/// The tables of one section; those of memory and resources stand with their charts.
std::string tables_html(const PageSection& section);
std::string memory_table_html(const Prediction& prediction);
std::string resource_table_html(const Prediction& prediction);

/// Several sections beside each other: a table, and their curves in one chart. Empty for a single section.
std::string overview_html(const std::vector<PageSection>& sections);

/// Everything that the charts show, as JSON.
std::string page_data(const std::vector<PageSection>& sections);

/// A chart with its caption.
struct Figure {
  std::string kind;   ///< the function of page/*.js that draws it
  std::string phase;  ///< "prefill" or "decode" where the chart is of one phase
  std::string title;
  std::string finding;  ///< what this one shows; also the accessible name
  std::string reading;  ///< how to read any chart of this kind
  bool wide = false;    ///< over both columns
  int height = 320;     ///< pixels
  std::string table;    ///< markup below the chart
};
/// `section` is the index of the section whose data it draws; empty: of all.
std::string figure_html(const Figure& figure, const std::string& section);

/// The step that operators belong to.
Seconds step_of(Seconds step, const std::vector<OperatorRow>& rows);

}  // namespace moesaic
