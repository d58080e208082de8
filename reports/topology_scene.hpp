// Pictures of topologies. What there is too much of is drawn in bundles, so that any size stays readable.
#pragma once

#include "hw/topology.hpp"
#include "hw/topology_description.hpp"
#include "reports/scene.hpp"

namespace moesaic {

inline constexpr double kSceneWidth = 1160;

/// The network: in layers, nodes below and cores above; routers of a torus in a grid, other routers on a circle.
/// One node without a network: as node_scene().
Scene topology_scene(const Topology& topology, const TopologyDescription& description);
/// The inside of the first node.
Scene node_scene(const Topology& topology);

/// The three layouts.
Scene layered_scene(const Topology& topology);
Scene circle_scene(const Topology& topology);
Scene grid_scene(const Topology& topology, const std::vector<int>& dimensions);

/// Items that stand for several vertices, and the lines between them.
class Bundles {
 public:
  explicit Bundles(const Topology& topology);
  /// Vertices drawn as one item; an item is bundled with itself only in what it stands for.
  void put(VertexId vertex, std::size_t item);
  /// One line for all links between two items.
  void add_edges(Scene& scene) const;

 private:
  const Topology& topology_;
  std::vector<std::int64_t> item_;  // of each vertex; -1: not drawn
};

}  // namespace moesaic
