#include "hw/topology_counts.hpp"

#include "hw/topologies/generators.hpp"

namespace moesaic {
namespace {

void count_clos(const ClosShape& shape, TopologyCounts& counts) {
  counts.nodes = shape.nodes;
  counts.switches = shape.planes * (shape.leaves + shape.pods * shape.spines + shape.spines * shape.cores);
  counts.local_links = shape.planes * shape.leaves * shape.spines * shape.spine_links;
  counts.global_links = shape.planes * shape.pods * shape.spines * shape.cores * shape.core_links;
}

void count_dragonfly(const DragonflyShape& shape, TopologyCounts& counts) {
  counts.nodes = shape.nodes;
  counts.switches = shape.routers * shape.groups;
  counts.local_links = shape.groups * (shape.routers * (shape.routers - 1) / 2);
  counts.global_links = shape.groups * shape.used_globals() / 2;
}

void count_slim_fly(const SlimFlyShape& shape, TopologyCounts& counts) {
  counts.nodes = shape.nodes;
  counts.switches = 2 * shape.order * shape.order;
  counts.local_links = counts.switches * shape.degree / 2;
}

}  // namespace

TopologyCounts count_topology(const TopologyDescription& description) {
  check_description(description);
  TopologyCounts counts;
  switch (description.fabric.kind) {
    case FabricKind::none:
      counts.nodes = 1;
      counts.devices = description.node.devices;
      return counts;
    case FabricKind::leaf_spine:
      count_clos(leaf_spine_shape(description), counts);
      break;
    case FabricKind::fat_tree:
    case FabricKind::multi_plane_fat_tree:
    case FabricKind::multi_rail_fat_tree:
      count_clos(fat_tree_shape(description), counts);
      break;
    case FabricKind::dragonfly:
      count_dragonfly(dragonfly_shape(description), counts);
      break;
    case FabricKind::slim_fly:
      count_slim_fly(slim_fly_shape(description), counts);
      break;
    case FabricKind::torus: {
      const TorusShape shape = torus_shape(description);
      counts.nodes = shape.nodes;
      counts.switches = shape.routers;
      counts.local_links = shape.links;
      break;
    }
    case FabricKind::graph:
      return count_topology(build_listed_graph(description));
  }
  counts.devices = counts.nodes * description.node.devices;
  counts.endpoints = counts.nodes * description.node.adapters;
  return counts;
}

TopologyCounts count_topology(const Topology& topology) {
  TopologyCounts counts;
  counts.nodes = topology.nodes;
  counts.devices = topology.devices;
  for (const Vertex& vertex : topology.vertices) {
    counts.switches += vertex.kind == VertexKind::switch_ && vertex.node < 0 ? 1 : 0;
  }
  for (const TopologyLink& link : topology.links) {
    counts.endpoints += link.role == LinkRole::endpoint ? 1 : 0;
    counts.local_links += link.role == LinkRole::local ? 1 : 0;
    counts.global_links += link.role == LinkRole::global ? 1 : 0;
  }
  return counts;
}

}  // namespace moesaic
