#include "hw/topologies/shapes.hpp"

#include <fmt/format.h>

namespace moesaic {

TopologyMistake::TopologyMistake(const TopologyDescription& description, std::string where, const std::string& what)
    : UserError(fmt::format("topology '{}': {}: {}", printable(description.name), where, what)),
      path(std::move(where)),
      message(what) {}

namespace {

void check_node(const TopologyDescription& description) {
  const NodeDescription& node = description.node;
  const auto refuse = [&](const char* path, const std::string& what) {
    throw TopologyMistake(description, path, what);
  };
  if (node.devices < 1 || (node.kind == NodeKind::single && node.devices != 1)) {
    refuse("node.devices", fmt::format("{} devices in a node of kind '{}'", node.devices, to_text(node.kind)));
  }
  if (node.adapters < 1) {
    refuse("node.adapters", fmt::format("a node needs at least one adapter, found {}", node.adapters));
  }
  const bool joined = node.kind == NodeKind::switched || node.kind == NodeKind::mesh;
  if (joined && node.devices > 1 && !(node.scale_up.bandwidth.value > 0)) {
    refuse("node.scale_up", "devices are joined by it, but it has no bandwidth");
  }
  if (node.kind != NodeKind::pcie_tree) {
    return;
  }
  if (!(node.pcie.bandwidth.value > 0)) {
    refuse("node.pcie", "devices are joined by it, but it has no bandwidth");
  }
  if (node.sockets < 1 || (node.sockets > 1 && !(node.socket.bandwidth.value > 0))) {
    refuse(node.sockets < 1 ? "node.sockets" : "node.socket",
           fmt::format("{} sockets, joined by {:g} B/s", node.sockets, node.socket.bandwidth.value));
  }
}

}  // namespace

void check_description(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  if (fabric.kind == FabricKind::graph) {
    return;
  }
  check_node(description);
  if (fabric.kind == FabricKind::none) {
    if (description.nodes > 1) {
      throw TopologyMistake(description, "nodes",
                            fmt::format("{} nodes need a fabric that joins them", description.nodes));
    }
    return;
  }
  if (!(fabric.endpoint.bandwidth.value > 0)) {
    throw TopologyMistake(description, "fabric.endpoint", "has no bandwidth");
  }
  if (!(fabric.trunk.bandwidth.value > 0)) {
    throw TopologyMistake(description, "fabric.trunk", "has no bandwidth");
  }
}

std::int64_t nodes_within(const TopologyDescription& description, std::int64_t room) {
  if (description.nodes > room) {
    throw TopologyMistake(description, "nodes",
                          fmt::format("{} nodes are more than the network has room for ({})", description.nodes, room));
  }
  if (room == 0) {
    throw TopologyMistake(description, "fabric", "the network has no room for a single node");
  }
  return description.nodes > 0 ? description.nodes : room;
}

}  // namespace moesaic
