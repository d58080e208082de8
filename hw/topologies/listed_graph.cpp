#include <fmt/format.h>

#include <algorithm>

#include "hw/topologies/generators.hpp"

namespace moesaic {
namespace {

// Devices first, those of one node in a row; then the others as listed.
std::vector<std::size_t> order_of(const std::vector<ListedVertex>& vertices) {
  std::vector<std::size_t> order(vertices.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  const auto rank = [&](std::size_t i) {
    return vertices[i].kind == VertexKind::device ? std::pair(0, vertices[i].node) : std::pair(1, 0);
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  return order;
}

void check_nodes(const TopologyDescription& description, std::uint32_t nodes) {
  std::vector<bool> has_device(nodes);
  for (const ListedVertex& vertex : description.fabric.vertices) {
    if (vertex.kind == VertexKind::device) {
      has_device[vertex.node] = true;
    }
  }
  const auto empty = std::find(has_device.begin(), has_device.end(), false);
  if (empty != has_device.end()) {
    throw TopologyMistake(description, "fabric.vertices",
                          fmt::format("no device is in node {}, but something else is in it or a later one; nodes are "
                                      "numbered from 0",
                                      empty - has_device.begin()));
  }
}

}  // namespace

Topology build_listed_graph(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  Topology topology;
  topology.name = description.name;
  topology.kind = "graph";
  std::vector<VertexId> place(fabric.vertices.size());
  for (const std::size_t i : order_of(fabric.vertices)) {
    const ListedVertex& vertex = fabric.vertices[i];
    place[i] = static_cast<VertexId>(topology.vertices.size());
    topology.vertices.push_back(
        {vertex.kind, vertex.node, vertex.plane, static_cast<std::uint8_t>(vertex.node >= 0 ? 0 : vertex.level)});
    topology.devices += vertex.kind == VertexKind::device ? 1 : 0;
    topology.nodes = std::max(topology.nodes, static_cast<std::uint32_t>(vertex.node + 1));
  }
  if (topology.devices == 0) {
    throw TopologyMistake(description, "fabric.vertices", "there is no device among them");
  }
  check_nodes(description, topology.nodes);
  for (const ListedLink& link : fabric.links) {
    topology.links.push_back({place[link.a], place[link.b], link.link.bandwidth, link.link.latency, link.role});
  }
  return topology;
}

}  // namespace moesaic
