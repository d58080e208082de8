#include <algorithm>
#include <vector>

#include "hw/topologies/nodes.hpp"

namespace moesaic {
namespace {

int dealt(int index, int count, int parts) {
  return static_cast<int>(static_cast<std::int64_t>(index) * parts / count);
}

int pcie_switches(const NodeDescription& node) {
  const int each = node.devices_per_pcie_switch;
  return each > 0 ? (node.devices + each - 1) / each : 0;
}

}  // namespace

void add_pcie_tree_node(GraphBuilder& builder, int node, bool with_adapters) {
  const NodeDescription& described = builder.node();
  const Link& pcie = described.pcie;
  std::vector<VertexId> roots, switches;
  for (int s = 0; s < described.sockets; ++s) {
    roots.push_back(builder.add_switch(0, -1, node));
    for (int before = 0; before < s; ++before) {
      builder.link(roots[before], roots[s], described.socket, LinkRole::socket, node_labels::kSocket);
    }
  }
  const int count = pcie_switches(described);
  for (int s = 0; s < count; ++s) {
    switches.push_back(builder.add_switch(0, -1, node));
    builder.link(switches[s], roots[dealt(s, count, described.sockets)], pcie, LinkRole::pcie, node_labels::kPcieTrunk);
  }
  const auto above = [&](int device) {
    return count > 0 ? switches[device / described.devices_per_pcie_switch]
                     : roots[dealt(device, described.devices, described.sockets)];
  };
  for (int d = 0; d < described.devices; ++d) {
    builder.link(builder.device(node, d), above(d), pcie, LinkRole::pcie, node_labels::kDevicePcie);
  }
  for (int a = 0; with_adapters && a < described.adapters; ++a) {
    builder.link(above(dealt(a, described.adapters, described.devices)), builder.adapter(node, a), pcie, LinkRole::pcie,
                 node_labels::kAdapterPcie);
  }
}

// Every socket has equally many switches, every switch (or root) equally many devices and adapters, and every adapter
// equally many devices.
bool is_symmetric_pcie_tree(const NodeDescription& node, bool with_adapters) {
  const int switches = pcie_switches(node);
  const int holders = switches > 0 ? switches : node.sockets;
  const bool even = node.devices % holders == 0 && holders % node.sockets == 0;
  const bool paired = node.devices % node.adapters == 0 || node.adapters % node.devices == 0;
  return even && (!with_adapters || (paired && node.adapters % holders == 0));
}

}  // namespace moesaic
