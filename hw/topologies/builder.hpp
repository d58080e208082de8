// Private to hw: what generators put a topology together with.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "hw/topology.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {

/// Names of the two channels of a link under the symmetry of the whole graph: channels of one label are moved onto one
/// another by it. Where it also turns links around, both are the same.
struct ChannelLabels {
  std::uint32_t forward = 0;   ///< a to b
  std::uint32_t backward = 0;  ///< b to a
};

/// Labels of links inside nodes, their adapters' endpoint links included. Those of nodes of different orbits differ.
namespace node_labels {
inline constexpr ChannelLabels kScaleUpSwitch{0, 1}, kMesh{2, 2}, kDevicePcie{3, 4}, kPcieTrunk{5, 6}, kSocket{7, 7},
    kAdapterPcie{8, 9}, kEndpoint{10, 11};
inline constexpr std::uint32_t kCount = 12;
}  // namespace node_labels

/// Labels from here on are of links between switches.
inline constexpr std::uint32_t kNetworkLabels = 1u << 24;
/// Those of the n-th kind of link between switches.
constexpr ChannelLabels network_labels(std::uint32_t n) { return {kNetworkLabels + 2 * n, kNetworkLabels + 2 * n + 1}; }

/// Devices come first, then node by node the adapters and switches of each, then the network's switches.
class GraphBuilder {
 public:
  /// Adds `nodes` nodes as described, with their adapters unless there is no network.
  GraphBuilder(const TopologyDescription& description, int nodes);

  const TopologyDescription& description() const { return description_; }
  const NodeDescription& node() const { return description_.node; }
  int nodes() const { return nodes_; }
  VertexId device(int node, int index) const { return static_cast<VertexId>(node * description_.node.devices + index); }
  VertexId adapter(int node, int index) const { return adapters_[node] + static_cast<VertexId>(index); }

  VertexId add_switch(int level, int plane = -1, int node = -1);
  void link(VertexId a, VertexId b, const Link& link, LinkRole role, ChannelLabels labels);
  /// Joins an adapter to its first switch.
  void attach(int node, int index, VertexId to, int plane = -1);
  /// As many switches of level 1, the first of them returned, and every adapter on them in order, `endpoints` on each;
  /// orbit_of(switch) is that of a node there.
  VertexId add_routers(std::int64_t routers, std::int64_t endpoints,
                       const std::function<std::uint32_t(std::int64_t)>& orbit_of);
  /// Nodes that the graph's symmetry does not move onto one another differ in their orbit; it is 0 at first.
  void set_orbit(int node, std::uint32_t orbit) { orbits_[node] = orbit; }

  /// The graph. `symmetric`: labels and orbits are those of a symmetry of the network that, within each orbit, moves
  /// any node onto any other; classes follow if a node is symmetric, too.
  Topology finish(std::string kind, bool symmetric) &&;

 private:
  void add_node(int node);
  void set_classes();

  const TopologyDescription& description_;
  Topology topology_;
  int nodes_ = 1;
  std::vector<VertexId> adapters_;     // the first of each node
  std::vector<std::uint32_t> orbits_;  // of each node
  std::vector<ChannelLabels> labels_;  // of each link
};

}  // namespace moesaic
