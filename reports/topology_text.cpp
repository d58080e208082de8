#include <fmt/format.h>

#include "base/error.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"
#include "reports/topology_report.hpp"

namespace moesaic {
namespace {

std::string part(const char* title, const std::vector<TopologyFact>& facts, const TextStyle& style) {
  Table table({{""}, {"", Align::right}, {""}});
  for (const TopologyFact& fact : facts) {
    table.add({fact.name, fact.value, paint(printable(fact.remark, 200), Paint::dim, style)});
  }
  return table.empty() ? "" : heading(title, style) + table.text(style);
}

}  // namespace

std::string topology_text(const TopologyReport& report, const TextStyle& style) {
  std::string text = printable(report.description.name);
  text += report.remark.empty() ? "\n" : ": " + printable(report.remark, 400) + "\n";
  text += part("Parts", topology_parts(report), style);
  text += part("Distance and bandwidth", topology_figures(report), style);
  text += part("Cost", topology_costs(report), style);
  if (!report.graph) {
    text += "\nNo graph: " + printable(report.why_no_graph, 400) + "\n";
  }
  return text;
}

}  // namespace moesaic
