#include <fmt/format.h>

#include <utility>

#include "hw/topologies/generators.hpp"

namespace moesaic {

// A ring of two has one link, not two beside each other.
TorusShape torus_shape(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  if (fabric.dimensions.empty()) {
    throw TopologyMistake(description, "fabric.dimensions", "a torus needs at least one dimension");
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  TorusShape shape;
  for (const int size : fabric.dimensions) {
    if (size < 1 || shape.routers * size > kMost) {
      throw TopologyMistake(description, "fabric.dimensions",
                            fmt::format("every size must be at least 1, their product at most {}", kMost));
    }
    shape.routers *= size;
  }
  for (const int size : fabric.dimensions) {
    shape.links += size > 2 ? shape.routers : size == 2 ? shape.routers / 2 : 0;
  }
  const std::int64_t used = description.node.adapters + 2 * static_cast<std::int64_t>(fabric.dimensions.size());
  if (fabric.ports > 0 && used > fabric.ports) {
    throw TopologyMistake(description, "fabric.ports",
                          fmt::format("a router needs {} ports, found {}", used, fabric.ports));
  }
  shape.nodes = nodes_within(description, shape.routers);
  return shape;
}

Topology build_torus(const TopologyDescription& description) {
  const TorusShape shape = torus_shape(description);
  const std::vector<int>& dimensions = description.fabric.dimensions;
  GraphBuilder builder(description, static_cast<int>(shape.nodes));
  VertexId first = 0;
  for (std::int64_t i = 0; i < shape.routers; ++i) {
    const VertexId router = builder.add_switch(1);
    first = i == 0 ? router : first;
  }
  for (int node = 0; node < builder.nodes(); ++node) {
    for (int a = 0; a < description.node.adapters; ++a) {
      builder.attach(node, a, first + static_cast<VertexId>(node));
    }
  }
  std::int64_t stride = shape.routers;
  for (std::size_t dimension = 0; dimension < dimensions.size(); ++dimension) {
    const std::int64_t size = dimensions[dimension];
    stride /= size;
    for (std::int64_t router = 0; router < shape.routers; ++router) {
      const std::int64_t place = router / stride % size;
      const std::int64_t next = router + ((place + 1) % size - place) * stride;
      if (size > 2 || (size == 2 && place == 0)) {
        // Rings are symmetric to turning and to turning over.
        const auto label = static_cast<std::uint32_t>(kNetworkLabels + dimension);
        builder.link(static_cast<VertexId>(first + router), static_cast<VertexId>(first + next),
                     description.fabric.trunk, LinkRole::local, {label, label});
      }
    }
  }
  return std::move(builder).finish("torus", shape.nodes == shape.routers);
}

}  // namespace moesaic
