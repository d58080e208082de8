#include "hw/machine_topology.hpp"

#include "base/error.hpp"

namespace moesaic {

TopologyDescription describe_topology(const Machine& machine) {
  MOESAIC_ASSERT(machine.nodes == 1 || machine.topology);
  TopologyDescription description;
  if (machine.topology && machine.nodes > 1) {
    description = *machine.topology;
  }
  description.name = machine.name;
  description.nodes = machine.nodes;
  NodeDescription& node = description.node;
  node = {};
  node.devices = machine.devices;
  node.adapters = machine.devices;
  if (machine.devices > 1 && machine.device.scale_up) {
    node.kind = NodeKind::switched;
    node.scale_up = *machine.device.scale_up;
  } else if (machine.devices > 1 && machine.device.host_link) {
    node.kind = NodeKind::pcie_tree;
    node.pcie = *machine.device.host_link;
    node.devices_per_pcie_switch = machine.devices;
  }
  if (machine.network) {
    description.fabric.endpoint = *machine.network;
  }
  return description;
}

}  // namespace moesaic
