#include <fmt/format.h>

#include "reports/html.hpp"
#include "reports/page_parts.hpp"
#include "reports/topology_report.hpp"
#include "reports/topology_scene.hpp"

namespace moesaic {
namespace {

std::string cards(const TopologyReport& report) {
  std::string html = "<div class=\"metrics\">\n";
  for (const auto& facts : {topology_parts(report), topology_figures(report), topology_costs(report)}) {
    for (const TopologyFact& fact : facts) {
      html += fmt::format("<div class=\"metric\"><span>{}</span><strong>{}</strong><small>{}</small></div>\n",
                          html_text(fact.name), html_text(fact.value), html_text(fact.remark));
    }
  }
  return html + "</div>\n";
}

std::string picture(const std::string& title, const std::string& reading, const Scene& scene) {
  return fmt::format(
      "<figure class=\"wide\"><figcaption><h3>{0}</h3><p class=\"reading\">{1}</p></figcaption>\n{2}</figure>\n",
      html_text(title), html_text(reading), scene_svg(scene, title));
}

std::string pictures(const TopologyReport& report) {
  if (!report.graph) {
    return "";
  }
  const char* const reading =
      "Each line stands for the links between two parts, the wider the more. A part marked x8, or a dot on a circle "
      "where there are many, stands for several. Colours tell planes, rails, levels or groups apart; point at a part "
      "for "
      "its name.";
  const bool network = report.description.fabric.kind != FabricKind::none;
  std::string html =
      picture(network ? "The network" : "The node", reading, topology_scene(*report.graph, report.description));
  if (network && report.counts.devices > report.counts.nodes) {
    html += picture("Inside the first node", "Adapters lead to the network.", node_scene(*report.graph));
  }
  return "<div class=\"figures\">\n" + html + "</div>\n";
}

}  // namespace

std::string topology_page(const TopologyReport& report, const std::string& command) {
  std::string main = "<section class=\"single\">\n";
  if (!report.remark.empty()) {
    main += fmt::format("<p>{}</p>\n", html_text(report.remark));
  }
  if (!report.graph) {
    main += fmt::format("<p class=\"note\">No graph: {}</p>\n", html_text(report.why_no_graph));
  }
  return page_document({.title = "Topology " + report.description.name,
                        .command = command,
                        .navigation = "",
                        .main = main + cards(report) + pictures(report) + "</section>\n",
                        .footer = "Counts leave out what is inside nodes. The bisection is a maximum flow between the "
                                  "first half of the nodes and the others, one way.",
                        .data = "[]"});
}

}  // namespace moesaic
