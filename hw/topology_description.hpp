// A topology in a few figures, as files describe it, and the graph it stands for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.hpp"
#include "hw/machine.hpp"
#include "hw/topology.hpp"

namespace moesaic {

enum class NodeKind : std::uint8_t {
  single,    ///< one device
  switched,  ///< any two devices at full rate (NVSwitch, NVL72)
  mesh,      ///< a link between any two devices; scale_up.bandwidth is a device's sum over its links
  pcie_tree  ///< devices under PCIe switches under sockets
};

/// The inside of one node. Adapter i belongs to device i * devices / adapters (or to its PCIe switch).
struct NodeDescription {
  NodeKind kind = NodeKind::single;
  int devices = 1;
  int adapters = 1;  ///< NICs of one node, dealt evenly over its devices
  Link scale_up;     ///< one device's sum, one direction
  Link pcie;         ///< device to switch or adapter; bandwidth zero: the adapter sits on the device and is no limit
  int devices_per_pcie_switch = 0;
  int sockets = 1;
  Link socket;  ///< between two sockets
};

enum class FabricKind : std::uint8_t {
  none,                  ///< one node
  leaf_spine,            ///< `leaves` leaf switches, `spines` spines, every leaf joined to every spine
  fat_tree,              ///< `levels` 2 or 3 of `ports`-port switches, tapered
  multi_plane_fat_tree,  ///< adapter i in plane i, planes not joined (2505.09343)
  multi_rail_fat_tree,   ///< adapter i on the leaf of rail i, leaves of all rails joined by spines
  dragonfly,
  slim_fly,
  torus,
  graph  ///< as listed
};

/// A vertex of a network that is listed part by part.
struct ListedVertex {
  std::string name;
  VertexKind kind = VertexKind::switch_;
  int node = -1;   ///< the host that it is in, from 0; -1: a switch of the network
  int plane = -1;  ///< -1: none
  int level = 1;   ///< of a switch of the network: 1 leaf, 2 spine, 3 core
};
struct ListedLink {
  std::size_t a = 0, b = 0;  ///< places in the list of vertices
  Link link;
  LinkRole role = LinkRole::local;
};

/// The network between nodes.
struct FabricDescription {
  FabricKind kind = FabricKind::none;
  Link endpoint;                ///< adapter to its first switch
  Link trunk;                   ///< switch to switch
  int ports = 0;                ///< of one switch
  int levels = 2;               ///< of a fat tree
  double taper = 1;             ///< bandwidth down over bandwidth up at the leaves, at least 1
  bool rail_optimised = false;  ///< adapters of the same place in their nodes share leaves
  int planes = 1;
  int leaves = 0, spines = 0;
  int group_routers = 0, router_endpoints = 0, router_globals = 0, groups = 0;  ///< dragonfly a, p, h, g
  int order = 0;                                                                ///< slim fly q
  std::vector<int> dimensions;                                                  ///< torus
  std::vector<ListedVertex> vertices;                                           ///< graph, nodes included
  std::vector<ListedLink> links;                                                ///< graph
};

struct TopologyDescription {
  std::string name;
  NodeDescription node;
  FabricDescription fabric;
  int nodes = 1;         ///< 0: as many as the fabric has room for
  std::string prices{};  ///< list of prices (hw/topology_cost.hpp) that its network is bought by; empty: not known
};

std::string_view to_text(NodeKind kind);
std::string_view to_text(FabricKind kind);

/// The "fabric" of a topology's or cluster's configuration. Throws UserError.
FabricDescription read_fabric(const Config& config);
/// Reads "node", "fabric" and "nodes" of a topology's configuration. Throws UserError.
TopologyDescription read_topology(const Config& config);
/// A topology of the catalog (configs/topologies) by name, part of a name, or file. Throws UserError.
TopologyDescription load_topology(const std::string& name_or_file);

/// Throws UserError where the figures contradict each other (more nodes than ports, an order for which no slim fly
/// is known, a torus of no dimensions).
Topology build_topology(const TopologyDescription& description);

}  // namespace moesaic
