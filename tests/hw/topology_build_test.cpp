// Graphs have the parts that closed forms and published tables count.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "tests/hw/topologies.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

void expect_counts(const TopologyCounts& counts, std::int64_t endpoints, std::int64_t switches, std::int64_t links) {
  EXPECT_EQ(counts.endpoints, endpoints);
  EXPECT_EQ(counts.switches, switches);
  EXPECT_EQ(counts.links(), links);
}

void expect_equal(const TopologyCounts& a, const TopologyCounts& b) {
  RC_ASSERT(a.nodes == b.nodes);
  RC_ASSERT(a.devices == b.devices);
  RC_ASSERT(a.endpoints == b.endpoints);
  RC_ASSERT(a.switches == b.switches);
  RC_ASSERT(a.local_links == b.local_links);
  RC_ASSERT(a.global_links == b.global_links);
}

// arXiv:2505.09343, table 3.
TEST(TopologyCounts, Table3) {
  expect_counts(count_topology(fat_tree(64, 2)), 2048, 96, 2048);
  expect_counts(count_topology(multi_plane(64, 8)), 16384, 768, 16384);
  expect_counts(count_topology(fat_tree(64, 3)), 65536, 5120, 131072);
  expect_counts(count_topology(slim_fly(28, 21)), 32928, 1568, 32928);
  expect_counts(count_topology(dragonfly(16, 32, 16, 511)), 261632, 16352, 384272);
}

TEST(TopologyCounts, Table3Built) {
  expect_counts(count_topology(build_topology(fat_tree(64, 2))), 2048, 96, 2048);
  expect_counts(count_topology(build_topology(multi_plane(64, 8))), 16384, 768, 16384);
  expect_counts(count_topology(build_topology(fat_tree(64, 3))), 65536, 5120, 131072);
  expect_counts(count_topology(build_topology(dragonfly(16, 32, 16, 511))), 261632, 16352, 384272);
}

// 28 is no power of a prime: the parts can be counted, but which router joins which is not known.
TEST(TopologyCounts, NoGraphOfSlimFly28) {
  EXPECT_EQ(user_error([] { return build_topology(slim_fly(28, 21)); }),
            "topology 'slim fly': fabric.order: no slim fly of order 28 is known as a graph: it needs the power of a "
            "prime");
}

// A SuperPOD of four units of 32 nodes has 32 leaves, each with two links to each of 16 spines (NVIDIA DGX SuperPOD
// reference architecture, DGX H100): 128 nodes x 8 adapters = 1024 endpoints; 32 x 32 links up.
TEST(TopologyCounts, RailOptimisedSuperPod) {
  TopologyDescription description = fat_tree(64, 2, 8, 128);
  description.fabric.rail_optimised = true;
  expect_counts(count_topology(description), 1024, 32 + 16, 32 * 32);
}

// Three to one: 16 of 64 ports up, 48 down. 64 leaves fill the 64 ports of 16 spines.
TEST(TopologyCounts, Taper) {
  TopologyDescription description = fat_tree(64, 2);
  description.fabric.taper = 3;
  expect_counts(count_topology(description), 64 * 48, 64 + 16, 64 * 16);
}

TopologyDescription any_description() {
  const auto between = [](int least, int most) { return *rc::gen::inRange(least, most + 1); };
  const int devices = *rc::gen::element(1, 2, 4);
  TopologyDescription description;
  switch (between(0, 6)) {
    case 0:
      description = fat_tree(2 * between(2, 6), 2, devices);
      description.fabric.taper = between(1, 3);
      description.fabric.rail_optimised = *rc::gen::arbitrary<bool>();
      break;
    case 1:
      description = fat_tree(2 * between(2, 4), 3, devices);
      description.fabric.rail_optimised = *rc::gen::arbitrary<bool>();
      break;
    case 2:
      description = multi_plane(2 * between(2, 6), devices);
      break;
    case 3:
      description = leaf_spine(devices * between(1, 4), between(1, 5), between(1, 20), devices);
      description.fabric.rail_optimised = *rc::gen::arbitrary<bool>();
      return description;
    case 4: {
      const int routers = between(1, 4), globals = between(1, 3);
      description = dragonfly(between(1, 3), routers, globals, between(1, routers * globals + 1), devices);
      break;
    }
    case 5:
      description = slim_fly(*rc::gen::element(3, 4, 5, 7, 8, 9, 11, 13), between(1, 4), devices);
      break;
    default:
      description = torus(*rc::gen::container<std::vector<int>>(between(1, 4), rc::gen::inRange(1, 5)), devices);
  }
  std::int64_t room = 0;
  try {
    room = count_topology(description).nodes;
  } catch (const UserError&) {
    RC_DISCARD("no room for a node");
  }
  description.nodes = between(0, static_cast<int>(room));
  return description;
}

RC_GTEST_PROP(TopologyBuild, CountsAreThoseOfTheGraph, ()) {
  const TopologyDescription description = any_description();
  expect_equal(count_topology(build_topology(description)), count_topology(description));
}

RC_GTEST_PROP(TopologyBuild, PartsAreJoinedAsTheyMay, ()) {
  const TopologyDescription description = any_description();
  const Topology topology = build_topology(description);
  std::map<VertexId, int> ports, endpoints;
  for (const TopologyLink& link : topology.links) {
    RC_ASSERT(link.a != link.b);
    for (const VertexId v : {link.a, link.b}) {
      RC_ASSERT(v < topology.vertices.size());
      const Vertex& vertex = topology.vertices[v];
      ports[v] += vertex.node < 0 ? 1 : 0;
      endpoints[v] += link.role == LinkRole::endpoint ? 1 : 0;
    }
  }
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    const Vertex& vertex = topology.vertices[v];
    RC_ASSERT((vertex.kind == VertexKind::device) == (v < topology.devices));
    if (vertex.kind == VertexKind::device) {
      RC_ASSERT(vertex.node == static_cast<std::int32_t>(v / static_cast<unsigned>(description.node.devices)));
    } else if (vertex.kind == VertexKind::adapter) {
      RC_ASSERT(endpoints[v] == 1);
    } else if (vertex.node < 0 && description.fabric.ports > 0) {
      RC_ASSERT(ports[v] <= description.fabric.ports);
    }
  }
}

TEST(TopologyBuild, RefusesWhatContradictsItself) {
  const auto message = [](const TopologyDescription& description) {
    return user_error([&] { return build_topology(description); });
  };
  TopologyDescription tapered = fat_tree(8, 2);
  tapered.fabric.taper = 0.5;
  EXPECT_EQ(message(tapered),
            "topology 'fat tree': fabric.taper: must be at least 1 (bandwidth down over up), found 0.5");
  EXPECT_EQ(message(fat_tree(8, 2, 1, 33)),
            "topology 'fat tree': nodes: 33 nodes are more than the network has room for (32)");
  EXPECT_EQ(message(dragonfly(1, 2, 2, 6)),
            "topology 'dragonfly': fabric.groups: 6 groups are more than the 5 that 2 routers of 2 global links can "
            "join");
  EXPECT_EQ(message(torus({})), "topology 'torus': fabric.dimensions: a torus needs at least one dimension");
  EXPECT_EQ(
      message(slim_fly(6, 1)),
      "topology 'slim fly': fabric.order: a slim fly has an order from 3 to 4096 that is 4 w - 1, 4 w or 4 w + 1, "
      "found 6");
  TopologyDescription planes = multi_plane(8, 4);
  planes.node.adapters = 2;
  EXPECT_EQ(message(planes),
            "topology 'fat tree': fabric.planes: adapter i of a node is in plane i, but there are 4 planes and 2 "
            "adapters in a node");
  EXPECT_EQ(message(fat_tree(3000, 3)).substr(0, 57), "topology 'fat tree': fabric: too large for a graph: about");
}

}  // namespace
}  // namespace moesaic
