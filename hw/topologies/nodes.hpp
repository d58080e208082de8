// Private to hw: the insides of nodes, one file for each kind.
#pragma once

#include <cstdint>

#include "hw/topologies/builder.hpp"

namespace moesaic {

/// Devices on one switch. A message's latency is dealt over its two hops.
void add_switched_node(GraphBuilder& builder, int node);
/// A link between any two devices.
void add_mesh_node(GraphBuilder& builder, int node);
/// Devices and adapters under PCIe switches under sockets.
void add_pcie_tree_node(GraphBuilder& builder, int node, bool with_adapters);

/// Adapters beside their devices: on them, or together under a PCIe switch where several of either share a PCIe link of
/// limited bandwidth.
void add_adapters(GraphBuilder& builder, int node);

/// Whether some symmetry of the node moves any of its devices onto any other.
bool is_symmetric(const NodeDescription& node, bool with_adapters);
bool is_symmetric_pcie_tree(const NodeDescription& node, bool with_adapters);

}  // namespace moesaic
