#include <fmt/format.h>

#include "hw/topologies/clos.hpp"
#include "hw/topologies/generators.hpp"
#include "hw/topology_counts.hpp"

namespace moesaic {
namespace {

// Vertices and channels have 32-bit numbers; this is far below, and above the largest network that is of use.
constexpr std::int64_t kMostVertices = 1 << 23, kMostLinks = 1 << 25;

void check_size(const TopologyDescription& description) {
  const TopologyCounts counts = count_topology(description);
  const NodeDescription& node = description.node;
  const double inside = node.kind == NodeKind::mesh ? 1.0 * node.devices * node.devices : 2.0 * node.devices;
  const double vertices = static_cast<double>(counts.devices + 2 * counts.endpoints + counts.switches);
  const double links =
      static_cast<double>(counts.links() + 2 * counts.endpoints) + static_cast<double>(counts.nodes) * inside;
  if (vertices > kMostVertices || links > kMostLinks) {
    throw TopologyMistake(description, "fabric",
                          fmt::format("too large for a graph: about {:.3g} vertices and {:.3g} links; the most are {} "
                                      "and {}",
                                      vertices, links, kMostVertices, kMostLinks));
  }
}

}  // namespace

Topology build_one_node(const TopologyDescription& description) {
  return GraphBuilder(description, 1).finish(std::string(to_text(description.node.kind)), true);
}

Topology build_topology(const TopologyDescription& description) {
  check_size(description);
  switch (description.fabric.kind) {
    case FabricKind::none:
      return build_one_node(description);
    case FabricKind::leaf_spine:
      return build_clos(description, leaf_spine_shape(description), std::string(to_text(description.fabric.kind)));
    case FabricKind::fat_tree:
    case FabricKind::multi_plane_fat_tree:
    case FabricKind::multi_rail_fat_tree:
      return build_clos(description, fat_tree_shape(description), std::string(to_text(description.fabric.kind)));
    case FabricKind::dragonfly:
      return build_dragonfly(description);
    case FabricKind::slim_fly:
      return build_slim_fly(description);
    case FabricKind::torus:
      return build_torus(description);
    case FabricKind::graph:
      return build_listed_graph(description);
  }
  MOESAIC_ASSERT(false);
}

}  // namespace moesaic
