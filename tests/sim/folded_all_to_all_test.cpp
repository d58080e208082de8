// A uniform all-to-all folded by symmetry takes as long as all of its flows, on every kind of topology.
#include <gtest/gtest.h>

#include "sim/flows.hpp"
#include "tests/hw/topologies.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr Bytes kMessage{1e6};

TopologyDescription tapered(TopologyDescription description, double taper) {
  description.fabric.taper = taper;
  return description;
}

TopologyDescription mesh(int devices) {
  TopologyDescription description{"mesh", switched_node(devices), {}, 1};
  description.node.kind = NodeKind::mesh;
  return description;
}

const std::vector<TopologyDescription> kSymmetric = {
    {"switched", switched_node(5), {}, 1},
    mesh(4),
    pcie_node(8, 2, 2, 2),
    fat_tree(8, 2, 4),
    fat_tree(4, 3, 2),
    tapered(fat_tree(12, 2, 2), 2),
    fat_tree(8, 3),
    partial(fat_tree(8, 2, 2), 6),
    railed(fat_tree(8, 3, 4, 16)),
    multi_rail(8, 2),
    multi_plane(8, 4),
    with_pcie(fat_tree(8, 2, 4), 2),
    with_pcie(railed(fat_tree(8, 2, 2)), 4),
    leaf_spine(4, 3, 16, 2),
    dragonfly(2, 4, 2, 9),
    dragonfly(2, 4, 2, 5, 2),
    dragonfly(1, 3, 3, 8),
    slim_fly(5, 2, 2),
    torus({5}),
    torus({8, 8}),
    torus({4, 4, 2}),
    torus({6, 5, 4}),
    torus({16, 16}),
};

TEST(FoldedAllToAll, TakesAsLongAsAllFlows) {
  for (std::size_t i = 0; i < kSymmetric.size(); ++i) {
    SCOPED_TRACE(kSymmetric[i].name + ", number " + std::to_string(i));
    const Topology topology = build_topology(kSymmetric[i]);
    ASSERT_LE(topology.devices, 256U);
    const std::vector<Demanded> demands = all_to_all(topology, kMessage.value);
    const FlowProblem all = flow_problem(topology, route_flows(topology, {}, demands), demands);
    const FlowProblem folded = folded_all_to_all(topology, {}, kMessage);
    const double total = run_flows(all).total.value;
    EXPECT_NEAR(run_flows(folded).total.value, total, 1e-9 * total);
    const double busiest = busiest_channel(all).value;
    EXPECT_NEAR(busiest_channel(folded).value, busiest, 1e-9 * busiest);
    double flows = 0;
    for (const double multiplicity : folded.multiplicity) {
      flows += multiplicity;
    }
    EXPECT_EQ(flows, static_cast<double>(demands.size()));
  }
}

// 64 leaves and 128 spines: a channel up carries 128 x (8192 - 128) / 128 messages, an adapter 8191. So adapters hold
// all up; they are busy from the first bytes on, 2 us after the start for messages within a leaf, to the end.
TEST(FoldedAllToAll, OfManyRanksHasAClosedForm) {
  const Topology topology = build_topology(leaf_spine(64, 128, 8192));
  const FlowProblem folded = folded_all_to_all(topology, {}, kMessage);
  EXPECT_LE(folded.flows(), 4U);
  const double expected = 8191 * kMessage.value / kWire.bandwidth.value;
  EXPECT_NEAR(busiest_channel(folded).value, expected, 1e-9 * expected);
  EXPECT_NEAR(run_flows(folded).total.value, expected + 2e-6, 1e-9 * expected);
}

// On a ring of five there is one shortest path to everyone; on one of four there are two to the opposite side.
TEST(FoldedAllToAll, TakesAPolicyThatHasNoChoice) {
  const RouteChoice shortest{.policy = RoutePolicy::shortest};
  const Topology odd = build_topology(torus({5}));
  EXPECT_EQ(run_flows(folded_all_to_all(odd, shortest, kMessage)).total.value,
            run_flows(folded_all_to_all(odd, {}, kMessage)).total.value);
  const Topology even = build_topology(torus({4}));
  EXPECT_EQ(
      user_error([&] { return folded_all_to_all(even, shortest, kMessage); }),
      "topology 'torus': an all-to-all folds by symmetry only where flows are sprayed or have one path; 'shortest' "
      "prefers some of several paths");
}

TEST(FoldedAllToAll, NeedsASymmetry) {
  Topology topology = build_topology(torus({5}));
  topology.channel_class.clear();
  topology.device_class.clear();
  EXPECT_EQ(user_error([&] { return folded_all_to_all(topology, {}, kMessage); }),
            "topology 'torus' (torus) has no known symmetry by which an all-to-all could be folded");
}

}  // namespace
}  // namespace moesaic
