#include "hw/topologies/nodes.hpp"

#include <algorithm>

namespace moesaic {
namespace {

// Members of one group share a PCIe link or sit on each other: member `index` of `count`.
int group_of(int index, int count, int groups) {
  return static_cast<int>(static_cast<std::int64_t>(index) * groups / count);
}

}  // namespace

void add_switched_node(GraphBuilder& builder, int node) {
  Link half = builder.node().scale_up;
  half.latency = half.latency / 2;
  const VertexId middle = builder.add_switch(0, -1, node);
  for (int d = 0; d < builder.node().devices; ++d) {
    builder.link(builder.device(node, d), middle, half, LinkRole::scale_up, node_labels::kScaleUpSwitch);
  }
}

void add_mesh_node(GraphBuilder& builder, int node) {
  const int devices = builder.node().devices;
  Link part = builder.node().scale_up;
  part.bandwidth = part.bandwidth / std::max(1, devices - 1);
  for (int a = 0; a < devices; ++a) {
    for (int b = a + 1; b < devices; ++b) {
      builder.link(builder.device(node, a), builder.device(node, b), part, LinkRole::scale_up, node_labels::kMesh);
    }
  }
}

void add_adapters(GraphBuilder& builder, int node) {
  const NodeDescription& described = builder.node();
  const int groups = std::min(described.devices, described.adapters);
  const bool limited = described.pcie.bandwidth.value > 0;
  // As fast as the adapter's link to the network: it carries the same bytes and so is never the narrower of the two.
  const Link no_limit{"", builder.description().fabric.endpoint.bandwidth, described.pcie.latency};
  int device = 0, adapter = 0;
  for (int group = 0; group < groups; ++group) {
    const int first_device = device, first_adapter = adapter;
    while (device < described.devices && group_of(device, described.devices, groups) == group) ++device;
    while (adapter < described.adapters && group_of(adapter, described.adapters, groups) == group) ++adapter;
    const bool shared = limited && (device - first_device > 1 || adapter - first_adapter > 1);
    if (shared) {
      const VertexId middle = builder.add_switch(0, -1, node);
      for (int d = first_device; d < device; ++d) {
        builder.link(builder.device(node, d), middle, described.pcie, LinkRole::pcie, node_labels::kDevicePcie);
      }
      for (int a = first_adapter; a < adapter; ++a) {
        builder.link(middle, builder.adapter(node, a), described.pcie, LinkRole::pcie, node_labels::kAdapterPcie);
      }
      continue;
    }
    for (int d = first_device; d < device; ++d) {
      for (int a = first_adapter; a < adapter; ++a) {
        builder.link(builder.device(node, d), builder.adapter(node, a), limited ? described.pcie : no_limit,
                     LinkRole::pcie, node_labels::kAdapterPcie);
      }
    }
  }
}

bool is_symmetric(const NodeDescription& node, bool with_adapters) {
  if (node.kind == NodeKind::pcie_tree) {
    return is_symmetric_pcie_tree(node, with_adapters);
  }
  return !with_adapters || node.devices % node.adapters == 0 || node.adapters % node.devices == 0;
}

}  // namespace moesaic
