// The interconnect of a machine: what its own figures say of the inside of its nodes, and its fabric between them.
#pragma once

#include "hw/machine.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {

/// The node's devices on their scale-up switch, or on its PCIe; every device with an adapter of the machine's network;
/// the fabric that the machine's file names, for as many nodes as it has. Without a fabric the machine must be one
/// node.
TopologyDescription describe_topology(const Machine& machine);

}  // namespace moesaic
