// Distances and bisections that are known in closed form.
#include "hw/topology_properties.hpp"

#include <gtest/gtest.h>

#include "tests/hw/topologies.hpp"

namespace moesaic {
namespace {

TopologyProperties properties(const TopologyDescription& description) {
  return topology_properties(build_topology(description));
}

TEST(TopologyProperties, Diameters) {
  EXPECT_EQ(properties(fat_tree(8, 2)).diameter, 2);         // leaf, spine, leaf
  EXPECT_EQ(properties(fat_tree(4, 3)).diameter, 4);         // leaf, spine, core, spine, leaf
  EXPECT_EQ(properties(dragonfly(2, 4, 2, 9)).diameter, 3);  // local, global, local
  EXPECT_EQ(properties(torus({4, 4, 4})).diameter, 6);       // half of each ring
  EXPECT_EQ(properties(torus({5, 3})).diameter, 3);          // 2 + 1
  EXPECT_EQ(properties({"node", switched_node(8), {}, 1}).diameter, 0);
}

// What makes a slim fly: no two routers are more than two hops apart, for every kind of order.
TEST(TopologyProperties, SlimFliesHaveDiameterTwo) {
  for (const int order : {3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 19}) {
    EXPECT_EQ(properties(slim_fly(order, 1)).diameter, 2) << order;
  }
}

// Of the 2048 endpoints of a fat tree, each has 31 others on its leaf and 2016 at two hops.
TEST(TopologyProperties, AverageDistanceOfFatTree) {
  EXPECT_NEAR(properties(fat_tree(64, 2)).average_distance, 2.0 * 2016 / 2047, 1e-12);
}

// A torus of even sides n: the mean over a ring is n / 4, dimensions add up; the router itself does not count.
TEST(TopologyProperties, AverageDistanceOfTorus) {
  EXPECT_NEAR(properties(torus({4, 6})).average_distance, (4 / 4.0 + 6 / 4.0) * 24 / 23, 1e-12);
}

// Moore graphs of degree 7: seven routers at one hop, 42 at two (Hoffman and Singleton 1960, the slim fly of order 5).
TEST(TopologyProperties, AverageDistanceOfHoffmanSingleton) {
  const TopologyProperties of = properties(slim_fly(5, 1));
  EXPECT_NEAR(of.average_distance, (7 * 1 + 42 * 2) / 49.0, 1e-12);
}

// Without classes distances are measured from every switch, with the same result.
TEST(TopologyProperties, SymmetryChangesNothing) {
  for (const TopologyDescription& description :
       {fat_tree(4, 3), dragonfly(2, 4, 2, 9), slim_fly(7, 2), torus({4, 3}), multi_plane(4, 2), multi_rail(8, 2)}) {
    Topology topology = build_topology(description);
    ASSERT_FALSE(topology.device_class.empty());
    const TopologyProperties folded = topology_properties(topology);
    topology.device_class.clear();
    topology.channel_class.clear();
    const TopologyProperties whole = topology_properties(topology);
    EXPECT_EQ(folded.diameter, whole.diameter);
    EXPECT_NEAR(folded.average_distance, whole.average_distance, 1e-9);
  }
}

TEST(TopologyProperties, FatTreesHaveFullBisectionOverTheirTaper) {
  EXPECT_NEAR(properties(fat_tree(8, 2)).full_bisection, 1, 1e-9);
  EXPECT_NEAR(properties(fat_tree(8, 3)).full_bisection, 1, 1e-9);
  EXPECT_NEAR(properties(multi_plane(8, 2)).full_bisection, 1, 1e-9);
  TopologyDescription tapered = fat_tree(16, 2);  // 4 up, 12 down
  tapered.fabric.taper = 3;
  EXPECT_NEAR(properties(tapered).full_bisection, 1.0 / 3, 1e-9);
  EXPECT_NEAR(properties(tapered).oversubscription, 3, 1e-9);
}

// 16 x 8 routers cut into two of 8 x 8: both rings that cross are cut, 2 x 8 links.
TEST(TopologyProperties, BisectionOfTorus) {
  TopologyDescription description = torus({16, 8});
  description.fabric.endpoint.bandwidth = {6 * kWire.bandwidth.value};
  const TopologyProperties of = properties(description);
  EXPECT_NEAR(of.bisection.value, 2 * 8 * kWire.bandwidth.value, 1);
  EXPECT_NEAR(of.full_bisection, 16.0 / (64 * 6), 1e-9);
}

// Of ten groups with one link between any two, 5 x 5 links join the halves. A router has at most three of them and four
// endpoints, so all are filled; 60 endpoints of a half would fill more.
TEST(TopologyProperties, BisectionOfDragonfly) {
  const TopologyProperties of = properties(dragonfly(4, 3, 3, 10));
  EXPECT_NEAR(of.bisection.value, 25 * kWire.bandwidth.value, 1);
  EXPECT_NEAR(of.full_bisection, 25.0 / 60, 1e-9);
}

// Half of a node of eight sends what four devices have.
TEST(TopologyProperties, BisectionOfNodes) {
  EXPECT_NEAR(properties({"node", switched_node(8), {}, 1}).bisection.value, 4 * kFast.bandwidth.value, 1);
  TopologyDescription mesh{"mesh", switched_node(4), {}, 1};
  mesh.node.kind = NodeKind::mesh;  // two devices with a link to each of the other two
  EXPECT_NEAR(properties(mesh).bisection.value, 4 * kFast.bandwidth.value / 3, 4);
  // Two sockets: their link carries what crosses.
  EXPECT_NEAR(properties(pcie_node(8, 1, 2, 2)).bisection.value, kFast.bandwidth.value, 1);
}

}  // namespace
}  // namespace moesaic
