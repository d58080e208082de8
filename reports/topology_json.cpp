#include <nlohmann/json.hpp>

#include "reports/topology_report.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json graph_json(const TopologyReport& report) {
  if (!report.graph) {
    return nullptr;
  }
  return {{"vertices", report.graph->vertices.size()},
          {"links", report.graph->links.size()},
          {"symmetric", !report.graph->channel_class.empty()}};
}

Json properties_json(const TopologyReport& report) {
  if (!report.properties) {
    return nullptr;
  }
  const TopologyProperties& of = *report.properties;
  return {{"diameter", of.diameter},
          {"average_distance", of.average_distance},
          {"sampled_switches", of.sampled},
          {"bisection", of.bisection.value},
          {"full_bisection", of.full_bisection},
          {"oversubscription", of.oversubscription}};
}

Json cost_json(const TopologyReport& report) {
  if (!report.cost) {
    return nullptr;
  }
  return {{"prices", report.description.prices},
          {"network", report.cost->value},
          {"per_endpoint", report.cost->value / static_cast<double>(report.counts.endpoints)}};
}

}  // namespace

std::string topology_json(const TopologyReport& report) {
  const TopologyCounts& counts = report.counts;
  const bool listed = report.description.fabric.kind == FabricKind::graph;
  Json json{{"version", "1"},
            {"kind", "topology report"},
            {"name", report.description.name},
            {"description", report.remark},
            {"node", listed ? Json(nullptr) : Json(to_text(report.description.node.kind))},
            {"network", to_text(report.description.fabric.kind)},
            {"counts",
             {{"nodes", counts.nodes},
              {"devices", counts.devices},
              {"endpoints", counts.endpoints},
              {"switches", counts.switches},
              {"links", counts.links()},
              {"local_links", counts.local_links},
              {"global_links", counts.global_links}}},
            {"graph", graph_json(report)},
            {"why_no_graph", report.graph ? Json(nullptr) : Json(report.why_no_graph)},
            {"properties", properties_json(report)},
            {"cost", cost_json(report)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
