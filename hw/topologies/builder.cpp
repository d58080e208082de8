#include "hw/topologies/builder.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "hw/topologies/nodes.hpp"

namespace moesaic {
namespace {

// Numbers labels from 0 in the order in which they are met.
class Numbering {
 public:
  std::uint32_t operator()(std::uint32_t label) {
    std::vector<std::uint32_t>& numbers = label < kNetworkLabels ? node_ : network_;
    const std::size_t at = label % kNetworkLabels;
    if (numbers.size() <= at) {
      numbers.resize(at + 1, kNone);
    }
    if (numbers[at] == kNone) {
      numbers[at] = next_++;
    }
    return numbers[at];
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> node_, network_;
  std::uint32_t next_ = 0;
};

}  // namespace

GraphBuilder::GraphBuilder(const TopologyDescription& description, int nodes)
    : description_(description), nodes_(nodes), orbits_(nodes) {
  topology_.name = description.name;
  topology_.nodes = static_cast<std::uint32_t>(nodes);
  topology_.devices = static_cast<std::uint32_t>(nodes * description.node.devices);
  topology_.vertices.reserve(topology_.devices);
  for (int n = 0; n < nodes; ++n) {
    topology_.vertices.insert(topology_.vertices.end(), description.node.devices,
                              Vertex{.kind = VertexKind::device, .node = n});
  }
  for (int n = 0; n < nodes; ++n) {
    add_node(n);
  }
}

void GraphBuilder::add_node(int node) {
  const bool with_adapters = description_.fabric.kind != FabricKind::none;
  if (with_adapters) {
    adapters_.push_back(static_cast<VertexId>(topology_.vertices.size()));
    topology_.vertices.insert(topology_.vertices.end(), description_.node.adapters,
                              Vertex{.kind = VertexKind::adapter, .node = node});
  }
  switch (description_.node.kind) {
    case NodeKind::single:
      break;
    case NodeKind::switched:
      add_switched_node(*this, node);
      break;
    case NodeKind::mesh:
      add_mesh_node(*this, node);
      break;
    case NodeKind::pcie_tree:
      add_pcie_tree_node(*this, node, with_adapters);
      return;
  }
  if (with_adapters) {
    add_adapters(*this, node);
  }
}

VertexId GraphBuilder::add_switch(int level, int plane, int node) {
  topology_.vertices.push_back({VertexKind::switch_, node, plane, static_cast<std::uint8_t>(level)});
  return static_cast<VertexId>(topology_.vertices.size() - 1);
}

void GraphBuilder::link(VertexId a, VertexId b, const Link& link, LinkRole role, ChannelLabels labels) {
  topology_.links.push_back({a, b, link.bandwidth, link.latency, role});
  labels_.push_back(labels);
}

void GraphBuilder::attach(int node, int index, VertexId to, int plane) {
  const VertexId from = adapter(node, index);
  topology_.vertices[from].plane = plane;
  link(from, to, description_.fabric.endpoint, LinkRole::endpoint, node_labels::kEndpoint);
}

VertexId GraphBuilder::add_routers(std::int64_t routers, std::int64_t endpoints,
                                   const std::function<std::uint32_t(std::int64_t)>& orbit_of) {
  VertexId first = 0;
  for (std::int64_t i = 0; i < routers; ++i) {
    const VertexId router = add_switch(1);
    first = i == 0 ? router : first;
  }
  const std::int64_t adapters = description_.node.adapters;
  for (int node = 0; node < nodes_; ++node) {
    for (int a = 0; a < adapters; ++a) {
      const std::int64_t router = (node * adapters + a) / endpoints;
      attach(node, a, static_cast<VertexId>(first + router));
      set_orbit(node, orbit_of(router));
    }
  }
  return first;
}

Topology GraphBuilder::finish(std::string kind, bool symmetric) && {
  topology_.kind = std::move(kind);
  if (symmetric && is_symmetric(description_.node, description_.fabric.kind != FabricKind::none)) {
    set_classes();
  }
  return std::move(topology_);
}

void GraphBuilder::set_classes() {
  topology_.device_class.reserve(topology_.devices);
  for (int n = 0; n < nodes_; ++n) {
    topology_.device_class.insert(topology_.device_class.end(), description_.node.devices, orbits_[n]);
  }
  Numbering number;
  topology_.channel_class.reserve(topology_.channels());
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const std::int32_t node = topology_.vertices[topology_.links[i].a].node;
    const std::uint32_t shift = labels_[i].forward < kNetworkLabels ? orbits_[node] * node_labels::kCount : 0;
    topology_.channel_class.push_back(number(labels_[i].forward + shift));
    topology_.channel_class.push_back(number(labels_[i].backward + shift));
  }
}

}  // namespace moesaic
