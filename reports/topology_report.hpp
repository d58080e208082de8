// What people read of a topology: text, JSON (a versioned contract) and a page with its picture.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hw/topology_cost.hpp"
#include "hw/topology_counts.hpp"
#include "hw/topology_properties.hpp"
#include "reports/report.hpp"

namespace moesaic {

struct TopologyReport {
  TopologyDescription description;
  std::string remark;  ///< the description in words, from the file
  TopologyCounts counts;
  /// Only where the graph can be built.
  std::optional<Topology> graph;
  std::optional<TopologyProperties> properties;
  std::string why_no_graph;
  /// Only where its file names a list of prices and there is a network.
  std::optional<Dollars> cost;
};

/// Reads, counts, builds and measures a topology by name, part of a name, or file. Throws UserError.
TopologyReport report_topology(const std::string& name_or_file);

std::string topology_text(const TopologyReport& report, const TextStyle& style);
/// The contract of configs/schema/topology_report.json.
std::string topology_json(const TopologyReport& report);
std::string topology_page(const TopologyReport& report, const std::string& command);

/// The catalog, one line each.
std::string topology_list_text();

/// One figure with its name, for text and page.
struct TopologyFact {
  std::string name, value, remark;
};
std::vector<TopologyFact> topology_parts(const TopologyReport& report);
std::vector<TopologyFact> topology_figures(const TopologyReport& report);
std::vector<TopologyFact> topology_costs(const TopologyReport& report);

}  // namespace moesaic
