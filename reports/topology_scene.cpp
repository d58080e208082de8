#include "reports/topology_scene.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace moesaic {
namespace {

constexpr std::size_t kMostGridRouters = 1100;

int colour_of(const Vertex& a, const Vertex& b) {
  const std::int32_t plane = std::max(a.plane, b.plane);
  return plane >= 0 ? plane % 8 : 7;
}

}  // namespace

Bundles::Bundles(const Topology& topology) : topology_(topology), item_(topology.vertices.size(), -1) {}

void Bundles::put(VertexId vertex, std::size_t item) { item_[vertex] = static_cast<std::int64_t>(item); }

void Bundles::add_edges(Scene& scene) const {
  std::map<std::pair<std::int64_t, std::int64_t>, Scene::Edge> edges;
  for (const TopologyLink& link : topology_.links) {
    const auto [a, b] = std::minmax(item_[link.a], item_[link.b]);
    if (a < 0 || a == b) {
      continue;
    }
    Scene::Edge& edge = edges[{a, b}];
    const bool is_new = edge.a == edge.b;
    edge.links = is_new ? 1 : edge.links + 1;
    edge.a = static_cast<std::size_t>(a);
    edge.b = static_cast<std::size_t>(b);
    edge.colour = colour_of(topology_.vertices[link.a], topology_.vertices[link.b]);
  }
  for (const auto& [ends, edge] : edges) {
    scene.edges.push_back(edge);
  }
}

Scene topology_scene(const Topology& topology, const TopologyDescription& description) {
  const std::vector<int>& dimensions = description.fabric.dimensions;
  switch (description.fabric.kind) {
    case FabricKind::none:
      return node_scene(topology);
    case FabricKind::dragonfly:
    case FabricKind::slim_fly:
      return circle_scene(topology);
    case FabricKind::torus: {
      const auto sides = std::count_if(dimensions.begin(), dimensions.end(), [](int side) { return side > 1; });
      std::size_t routers = 1;
      for (const int side : dimensions) {
        routers *= static_cast<std::size_t>(side);
      }
      const bool fits = (sides == 2 || sides == 3) && routers <= kMostGridRouters;
      return fits ? grid_scene(topology, dimensions) : circle_scene(topology);
    }
    default:
      return layered_scene(topology);
  }
}

}  // namespace moesaic
