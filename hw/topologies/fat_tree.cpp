#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hw/topologies/shapes.hpp"

namespace moesaic {
namespace {

std::int64_t rounded_up(std::int64_t count, std::int64_t each) { return (count + each - 1) / each; }

// The smallest divisor of `links` that is at least `least`: how many switches to deal a switch's links over, evenly.
std::int64_t fewest(std::int64_t links, std::int64_t least) {
  std::int64_t count = std::max<std::int64_t>(least, 1);
  while (links % count != 0) {
    ++count;
  }
  return count;
}

void check(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  const int adapters = description.node.adapters;
  if (fabric.ports < 2) {
    throw TopologyMistake(description, "fabric.ports",
                          fmt::format("a fat tree needs switches of at least 2 ports, found {}", fabric.ports));
  }
  if (fabric.levels != 2 && fabric.levels != 3) {
    throw TopologyMistake(description, "fabric.levels",
                          fmt::format("fat trees of 2 or 3 levels are known, found {}", fabric.levels));
  }
  if (!(fabric.taper >= 1)) {
    throw TopologyMistake(description, "fabric.taper",
                          fmt::format("must be at least 1 (bandwidth down over up), found {:g}", fabric.taper));
  }
  if (fabric.kind == FabricKind::multi_plane_fat_tree && fabric.planes != adapters) {
    throw TopologyMistake(
        description, "fabric.planes",
        fmt::format("adapter i of a node is in plane i, but there are {} planes and {} adapters in a node",
                    fabric.planes, adapters));
  }
}

}  // namespace

// With k ports and taper t, u ports of a leaf go up and t u down, where t counts bandwidth. A spine of two levels has k
// leaves below; one of three levels k/2 below and k/2 above. Where a tree is not full, the links that go up are dealt
// over as few switches as have the ports.
ClosShape fat_tree_shape(const TopologyDescription& description) {
  check(description);
  const FabricDescription& fabric = description.fabric;
  const std::int64_t ports = fabric.ports, adapters = description.node.adapters;
  const double per_link = fabric.taper * fabric.trunk.bandwidth.value / fabric.endpoint.bandwidth.value;
  constexpr double kRounding = 1e-9;
  const auto up =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(ports) / (1 + per_link) + kRounding));
  ClosShape shape;
  shape.planes = fabric.kind == FabricKind::multi_plane_fat_tree ? fabric.planes : 1;
  const bool railed = fabric.rail_optimised || fabric.kind == FabricKind::multi_rail_fat_tree;
  shape.rails = railed && shape.planes == 1 ? adapters : 1;
  shape.down = std::clamp<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(up) * per_link + kRounding), 1,
                                        std::max<std::int64_t>(1, ports - up));
  const bool one_each = shape.planes > 1 || shape.rails > 1;
  const std::int64_t most_leaves = fabric.levels == 2 ? ports : ports * (ports / 2);
  shape.nodes = nodes_within(description,
                             one_each ? most_leaves / shape.rails * shape.down : most_leaves * shape.down / adapters);
  shape.leaves =
      one_each ? rounded_up(shape.nodes, shape.down) * shape.rails : rounded_up(shape.nodes * adapters, shape.down);
  shape.leaves_per_pod = fabric.levels == 2 ? shape.leaves : std::min(shape.leaves, ports / 2);
  shape.pods = rounded_up(shape.leaves, shape.leaves_per_pod);
  if (shape.leaves > 1) {
    shape.spines = fabric.levels == 2 ? fewest(up, rounded_up(shape.leaves * up, ports)) : up;
    shape.spine_links = up / shape.spines;
  }
  if (shape.pods > 1) {
    shape.cores = fewest(ports / 2, rounded_up(shape.pods * (ports / 2), ports));
    shape.core_links = ports / 2 / shape.cores;
  }
  return shape;
}

}  // namespace moesaic
