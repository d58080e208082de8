// Channels of one class carry the same under a symmetric load, on every topology that claims a symmetry.
#include <gtest/gtest.h>

#include "tests/hw/topologies.hpp"

namespace moesaic {
namespace {

TopologyDescription mesh(int devices) {
  TopologyDescription description{"mesh", switched_node(devices), {}, 1};
  description.node.kind = NodeKind::mesh;
  return description;
}

TopologyDescription pcie_fat_tree(int devices, int adapters, int per_switch, int sockets) {
  TopologyDescription description = fat_tree(8, 2);
  description.node = pcie_node(devices, adapters, per_switch, sockets).node;
  return description;
}

const std::vector<TopologyDescription> kSymmetric = {
    {"switched", switched_node(5), {}, 1},
    mesh(4),
    pcie_node(8, 2, 2, 2),
    pcie_node(4, 1, 0, 2),
    fat_tree(8, 2),
    fat_tree(8, 2, 4),
    fat_tree(4, 3),
    fat_tree(4, 3, 2),
    partial(fat_tree(8, 2, 2), 6),
    partial(fat_tree(4, 3), 8),
    railed(fat_tree(8, 2, 4)),
    railed(fat_tree(8, 3, 4, 16)),
    railed(fat_tree(8, 2, 4, 3)),
    multi_rail(8, 2),
    multi_plane(4, 3),
    multi_plane(4, 2, 4),
    with_pcie(fat_tree(8, 2, 4), 2),
    with_pcie(fat_tree(8, 2, 2), 4),
    with_pcie(railed(fat_tree(8, 2, 4)), 2),
    with_pcie(railed(fat_tree(8, 2, 2)), 4),
    pcie_fat_tree(4, 4, 2, 2),
    pcie_fat_tree(4, 2, 2, 2),
    railed(pcie_fat_tree(4, 4, 2, 2)),
    railed(pcie_fat_tree(4, 2, 2, 2)),
    leaf_spine(4, 3, 16),
    leaf_spine(4, 3, 16, 2),
    dragonfly(2, 4, 2, 9),
    dragonfly(2, 4, 2, 5, 2),
    dragonfly(1, 3, 2, 6),
    dragonfly(1, 3, 3, 7),
    dragonfly(1, 3, 3, 8),
    dragonfly(1, 4, 2, 2),
    dragonfly(2, 5, 1, 1),
    slim_fly(3, 1),
    slim_fly(4, 1),
    slim_fly(5, 2, 2),
    slim_fly(7, 1),
    torus({5}),
    torus({4, 3}),
    torus({4, 4, 2}),
    torus({3, 2, 2, 2}, 2),
};

class SymmetryTest : public testing::TestWithParam<TopologyDescription> {};

TEST_P(SymmetryTest, LoadsAreEqualWithinClasses) {
  const Topology topology = build_topology(GetParam());
  ASSERT_EQ(topology.device_class.size(), topology.devices);
  ASSERT_EQ(topology.channel_class.size(), topology.channels());
  const std::vector<Demanded> flows = all_to_all(topology);
  for (const bool forward : {true, false}) {
    if (!forward && GetParam().fabric.kind == FabricKind::multi_plane_fat_tree) {
      continue;  // there is no way then
    }
    const Routes routes = route_flows(topology, {.forward_in_node = forward, .every_channel = true}, flows);
    const std::vector<double> load = loads(topology, routes, flows);
    std::vector<double> of_class(topology.channels(), -1), bandwidth(topology.channels());
    for (ChannelId channel = 0; channel < topology.channels(); ++channel) {
      const std::uint32_t kind = topology.channel_class[channel];
      if (of_class[kind] < 0) {
        of_class[kind] = load[channel];
        bandwidth[kind] = topology.links[channel / 2].bandwidth.value;
      }
      ASSERT_NEAR(load[channel], of_class[kind], 1e-5 * of_class[kind]) << "channel " << channel;
      ASSERT_EQ(topology.links[channel / 2].bandwidth.value, bandwidth[kind]) << "channel " << channel;
    }
  }
}

// A device's flows alone, summed over one device of each class and scaled by the number in the class, give each class
// of channels what it carries in all: what folding by symmetry relies on.
TEST_P(SymmetryTest, OneDeviceStandsForItsClass) {
  const Topology topology = build_topology(GetParam());
  const std::vector<Demanded> flows = all_to_all(topology);
  const auto by_class = [&](const std::vector<double>& load) {
    std::vector<double> sum(topology.channels());
    for (ChannelId channel = 0; channel < topology.channels(); ++channel) {
      sum[topology.channel_class[channel]] += load[channel];
    }
    return sum;
  };
  std::vector<Demanded> few;
  std::vector<bool> seen(topology.devices);
  for (std::uint32_t device = 0; device < topology.devices; ++device) {
    const std::uint32_t kind = topology.device_class[device];
    const auto members = std::count(topology.device_class.begin(), topology.device_class.end(), kind);
    for (std::uint32_t to = 0; to < topology.devices && !seen[kind]; ++to) {
      if (to != device) {
        few.push_back({device, to, static_cast<double>(members)});
      }
    }
    seen[kind] = true;
  }
  const RouteChoice choice{.every_channel = true};
  const std::vector<double> all = by_class(loads(topology, route_flows(topology, choice, flows), flows));
  const std::vector<double> folded = by_class(loads(topology, route_flows(topology, choice, few), few));
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_NEAR(folded[i], all[i], 1e-5 * all[i]) << "class " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryKind, SymmetryTest, testing::ValuesIn(kSymmetric),
                         [](const auto& of) { return "topology" + std::to_string(of.index); });

// Where leaves, pods or nodes are filled unevenly no symmetry is claimed.
TEST(Symmetry, NoneWhereUneven) {
  for (const TopologyDescription& description :
       {fat_tree(8, 2, 1, 7), fat_tree(4, 3, 1, 6), fat_tree(8, 2, 3), dragonfly(3, 4, 2, 9, 2), pcie_node(3, 1, 2, 2),
        with_pcie(fat_tree(8, 2, 3), 2), partial(torus({3, 3}), 8), partial(slim_fly(5, 2), 99)}) {
    EXPECT_TRUE(build_topology(description).channel_class.empty()) << description.name;
  }
}

}  // namespace
}  // namespace moesaic
