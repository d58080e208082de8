#include "reports/topology_report.hpp"

#include <fmt/format.h>

#include "base/catalog.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

std::string counted(std::int64_t count) { return count_text(static_cast<double>(count)); }

std::string node_text(const TopologyReport& report) {
  const NodeDescription& node = report.description.node;
  if (report.description.fabric.kind == FabricKind::graph) {
    return "as listed";
  }
  std::string text =
      fmt::format("{}, {} {}", to_text(node.kind), node.devices, node.devices == 1 ? "device" : "devices");
  if (report.description.fabric.kind != FabricKind::none) {
    text += fmt::format(", {} {}", node.adapters, node.adapters == 1 ? "adapter" : "adapters");
  }
  return text;
}

std::string network_text(const FabricDescription& fabric) {
  std::string text(to_text(fabric.kind));
  if (fabric.kind == FabricKind::fat_tree || fabric.kind == FabricKind::multi_plane_fat_tree ||
      fabric.kind == FabricKind::multi_rail_fat_tree) {
    text += fmt::format(" of {} levels of {}-port switches", fabric.levels, fabric.ports);
    text += fabric.taper > 1 ? fmt::format(", taper {:g}", fabric.taper) : "";
    text += fabric.rail_optimised ? ", rail-optimised" : "";
    text += fabric.planes > 1 ? fmt::format(", {} planes", fabric.planes) : "";
  }
  return text;
}

bool has_network(const TopologyReport& report) { return report.counts.switches > 0; }

}  // namespace

TopologyReport report_topology(const std::string& name_or_file) {
  const Config config = Config::load(find_in_catalog("topologies", "topology", name_or_file).file);
  TopologyReport report;
  report.description = read_topology(config);
  report.remark = config.string_or("description", "");
  report.counts = count_topology(report.description);
  try {
    report.graph = build_topology(report.description);
    report.properties = topology_properties(*report.graph);
  } catch (const UserError& error) {
    report.why_no_graph = error.what();
  }
  if (!report.description.prices.empty() && has_network(report)) {
    report.cost = network_cost(report.counts, load_topology_prices(report.description.prices));
  }
  return report;
}

std::vector<TopologyFact> topology_parts(const TopologyReport& report) {
  const TopologyCounts& counts = report.counts;
  std::vector<TopologyFact> facts = {{"nodes", counted(counts.nodes), node_text(report)},
                                     {"devices", counted(counts.devices), ""}};
  if (has_network(report)) {
    const bool split = counts.global_links > 0;
    facts.push_back({"endpoints", counted(counts.endpoints), "adapters on the network"});
    facts.push_back({"switches", counted(counts.switches), network_text(report.description.fabric)});
    facts.push_back(
        {"links between switches", counted(counts.links()),
         split ? fmt::format("{} local, {} global", counted(counts.local_links), counted(counts.global_links)) : ""});
  }
  return facts;
}

std::vector<TopologyFact> topology_figures(const TopologyReport& report) {
  if (!report.properties) {
    return {};
  }
  const TopologyProperties& of = *report.properties;
  std::vector<TopologyFact> facts;
  if (has_network(report)) {
    const std::string sampled = of.sampled > 0 ? fmt::format("; from {} of the switches, so perhaps more",
                                                             count_text(static_cast<double>(of.sampled)))
                                               : "";
    facts.push_back({"diameter", std::to_string(of.diameter), "links from switch to switch, at most" + sampled});
    facts.push_back(
        {"average distance", fmt::format("{:.2f}", of.average_distance), "of two endpoints that the network joins"});
    facts.push_back({"oversubscription", fmt::format("{:.3g}", of.oversubscription),
                     "bandwidth of a first switch to endpoints over that to switches"});
  }
  facts.push_back({"bisection", to_text(of.bisection),
                   fmt::format("{} of what the endpoints of half the {} can send", percent_text(of.full_bisection),
                               report.counts.nodes > 1 ? "nodes" : "devices")});
  return facts;
}

std::vector<TopologyFact> topology_costs(const TopologyReport& report) {
  if (!report.cost) {
    return {};
  }
  return {{"network cost", fmt::format("${:.4g} M", report.cost->value / 1e6),
           "by the prices '" + report.description.prices + "': switches and cables, no adapters"},
          {"cost per endpoint",
           fmt::format("${:.4g} k", report.cost->value / 1e3 / static_cast<double>(report.counts.endpoints)),
           "calibrated to published networks, see the price list"}};
}

std::string topology_list_text() {
  std::string text = fmt::format("{:<20} {:<20} {:>9}  {}\n", "topology", "network", "devices", "");
  for (const CatalogEntry& entry : list_catalog("topologies")) {
    const Config config = Config::load(entry.file);
    const TopologyDescription description = read_topology(config);
    const std::string_view network =
        description.fabric.kind == FabricKind::none ? to_text(description.node.kind) : to_text(description.fabric.kind);
    text += fmt::format("{:<20} {:<20} {:>9}  {}\n", entry.name, network, counted(count_topology(description).devices),
                        printable(config.string_or("description", ""), 200));
  }
  return text;
}

}  // namespace moesaic
