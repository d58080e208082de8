#include <fmt/format.h>

#include "hw/topologies/shapes.hpp"

namespace moesaic {

// Endpoints are dealt over the leaves evenly. Without a number of ports, there is room for the nodes asked for.
ClosShape leaf_spine_shape(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  const std::int64_t adapters = description.node.adapters;
  const auto refuse = [&](const char* path, const std::string& what) {
    throw TopologyMistake(description, path, what);
  };
  if (fabric.leaves < 1) {
    refuse("fabric.leaves", fmt::format("needs at least one leaf, found {}", fabric.leaves));
  }
  if (fabric.leaves > 1 && fabric.spines < 1) {
    refuse("fabric.spines", fmt::format("{} leaves need at least one spine, found {}", fabric.leaves, fabric.spines));
  }
  ClosShape shape;
  shape.leaves = shape.leaves_per_pod = fabric.leaves;
  shape.spines = fabric.spines;
  shape.rails = fabric.rail_optimised ? adapters : 1;
  if (shape.leaves % shape.rails != 0) {
    refuse("fabric.leaves", fmt::format("{} leaves cannot be dealt over {} rails evenly", shape.leaves, shape.rails));
  }
  const std::int64_t groups = shape.leaves / shape.rails, each = shape.rails > 1 ? 1 : adapters;
  std::int64_t room = description.nodes;
  if (fabric.ports > 0) {
    if (fabric.ports < shape.leaves) {
      refuse("fabric.leaves",
             fmt::format("{} leaves are more than the ports of a spine ({})", shape.leaves, fabric.ports));
    }
    if (fabric.ports <= shape.spines) {
      refuse("fabric.spines",
             fmt::format("{} spines leave none of a leaf's {} ports to endpoints", shape.spines, fabric.ports));
    }
    room = groups * (fabric.ports - shape.spines) / each;
  } else if (description.nodes == 0) {
    refuse("nodes", "how many nodes there are must be given, or the ports of a switch");
  }
  shape.nodes = nodes_within(description, room);
  shape.down = (shape.nodes * each + groups - 1) / groups;
  return shape;
}

}  // namespace moesaic
