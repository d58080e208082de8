// Routes lead where they should, and carry all of a flow.
#include "hw/routing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "tests/hw/topologies.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr RoutePolicy kAll[] = {RoutePolicy::shortest, RoutePolicy::ecmp, RoutePolicy::spray, RoutePolicy::split,
                                RoutePolicy::adaptive};

TopologyDescription any_network() {
  switch (*rc::gen::inRange(0, 9)) {
    case 0:
      return fat_tree(4, 2, *rc::gen::element(1, 2));
    case 1:
      return fat_tree(4, 3, *rc::gen::element(1, 2), *rc::gen::inRange(1, 9));
    case 2:
      return multi_rail(8, 4, 2, *rc::gen::inRange(1, 9));
    case 3:
      return multi_plane(4, 3);
    case 4:
      return dragonfly(1, 3, 1, *rc::gen::inRange(1, 5));
    case 5:
      return slim_fly(*rc::gen::element(3, 4, 5), 1);
    case 6:
      return torus({4, 3, 2});
    case 7: {
      TopologyDescription description = fat_tree(8, 2, 2);
      description.node.adapters = *rc::gen::element(1, 4);
      description.node.pcie = kFast;
      return description;
    }
    default: {
      TopologyDescription description = multi_rail(4, 2);
      description.node = pcie_node(4, 2, 2, 2).node;
      return description;
    }
  }
}

std::vector<Demanded> any_flows(const Topology& topology) {
  const int devices = static_cast<int>(topology.devices);
  std::vector<Demanded> flows;
  const int count = *rc::gen::inRange(1, 30);
  for (int i = 0; i < count; ++i) {
    flows.push_back({static_cast<std::uint32_t>(*rc::gen::inRange(0, devices)),
                     static_cast<std::uint32_t>(*rc::gen::inRange(0, devices)),
                     static_cast<double>(*rc::gen::inRange(1, 4))});
  }
  return flows;
}

std::span<const Routes::Hop> row(const Routes& routes, std::size_t flow) {
  return {routes.hops.data() + routes.first[flow], routes.hops.data() + routes.first[flow + 1]};
}

RC_GTEST_PROP(Routing, OnePathIsContiguous, ()) {
  const Topology topology = build_topology(any_network());
  const std::vector<Demanded> flows = any_flows(topology);
  const RoutePolicy policy = *rc::gen::element(RoutePolicy::shortest, RoutePolicy::ecmp);
  const Routes routes = route_flows(topology, {.policy = policy, .seed = *rc::gen::arbitrary<std::uint64_t>()}, flows);
  for (std::size_t i = 0; i < flows.size(); ++i) {
    VertexId at = flows[i].source;
    double latency = 0;
    for (const Routes::Hop& hop : row(routes, i)) {
      RC_ASSERT(hop.share == 1.0f);
      RC_ASSERT(topology.from(hop.channel) == at);
      at = topology.to(hop.channel);
      latency += topology.links[hop.channel / 2].latency.value;
    }
    RC_ASSERT(at == flows[i].destination);
    RC_ASSERT(std::abs(routes.latency[i] - latency) <= 1e-11);
  }
}

// What enters a vertex leaves it, but for the source, which sends all, and the destination, which keeps all: then all
// of the flow crosses any cut between the two.
RC_GTEST_PROP(Routing, SharesAreConserved, ()) {
  const Topology topology = build_topology(any_network());
  const std::vector<Demanded> flows = any_flows(topology);
  for (const RoutePolicy policy : kAll) {
    const Routes routes = route_flows(topology, {.policy = policy, .every_channel = true}, flows);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      std::map<VertexId, double> net;
      for (const Routes::Hop& hop : row(routes, i)) {
        RC_ASSERT(hop.share > 0.0f);
        net[topology.from(hop.channel)] += hop.share;
        net[topology.to(hop.channel)] -= hop.share;
      }
      if (flows[i].source != flows[i].destination) {
        net[flows[i].source] -= 1;
        net[flows[i].destination] += 1;
      }
      for (const auto& [vertex, sum] : net) {
        RC_ASSERT(std::abs(sum) < 1e-5);
      }
    }
  }
}

// Bytes cross no device but the one that forwards, which is in the source's node, and no adapter of another node.
RC_GTEST_PROP(Routing, DevicesAreNotCrossed, ()) {
  const Topology topology = build_topology(any_network());
  const std::vector<Demanded> flows = any_flows(topology);
  for (const RoutePolicy policy : kAll) {
    const Routes routes = route_flows(topology, {.policy = policy, .every_channel = true}, flows);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      const std::int32_t source = topology.vertices[flows[i].source].node;
      const std::int32_t destination = topology.vertices[flows[i].destination].node;
      for (const Routes::Hop& hop : row(routes, i)) {
        const VertexId to = topology.to(hop.channel);
        const Vertex& vertex = topology.vertices[to];
        RC_ASSERT(vertex.kind != VertexKind::device || to == flows[i].destination || vertex.node == source);
        RC_ASSERT(vertex.node < 0 || vertex.node == source || vertex.node == destination);
      }
    }
  }
}

// Channels that are left out constrain nothing: in every row some channel with no more bandwidth has the same share,
// and the busiest channel is as busy.
RC_GTEST_PROP(Routing, NothingThatMattersIsLeftOut, ()) {
  const Topology topology = build_topology(any_network());
  const std::vector<Demanded> flows = any_flows(topology);
  const Routes all = route_flows(topology, {.every_channel = true}, flows), some = route_flows(topology, {}, flows);
  RC_ASSERT(some.latency == all.latency);
  RC_ASSERT(some.hops.size() <= all.hops.size());
  std::map<ChannelId, std::map<std::size_t, float>> columns, kept;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    for (const Routes::Hop& hop : row(all, i)) {
      columns[hop.channel][i] = hop.share;
    }
    for (const Routes::Hop& hop : row(some, i)) {
      kept[hop.channel][i] = hop.share;
    }
  }
  for (const auto& [channel, column] : columns) {
    bool covered = false;
    for (const auto& [other, kept_column] : kept) {
      covered |= kept_column == column && topology.links[other / 2].bandwidth <= topology.links[channel / 2].bandwidth;
    }
    RC_ASSERT(covered);
  }
}

TEST(Routing, RowsAreShortUnderSpraying) {
  const Topology topology = build_topology(fat_tree(64, 2, 8, 16));
  const Routes routes = route_flows(topology, {}, all_to_all(topology));
  for (std::size_t i = 0; i + 1 < routes.first.size(); ++i) {
    EXPECT_LE(routes.first[i + 1] - routes.first[i], 4u);  // adapter, leaf, spine, leaf; naively 70
  }
}

// Two nodes of four: from device 0 to device 7, whose rail is 3, bytes go to device 3 first (PXN).
TEST(Routing, ForwardsByTheDeviceOnTheRail) {
  const Topology topology = build_topology(multi_rail(8, 4, 2, 2));
  const std::vector<Demanded> flow = {{0, 7, 1}};
  const auto visits = [&](bool forward, VertexId vertex) {
    const Routes routes = route_flows(topology, {.policy = RoutePolicy::shortest, .forward_in_node = forward}, flow);
    return std::any_of(routes.hops.begin(), routes.hops.end(),
                       [&](const Routes::Hop& hop) { return topology.to(hop.channel) == vertex; });
  };
  const auto levels = [&](bool forward) {
    std::vector<int> crossed;
    for (const Routes::Hop& hop :
         route_flows(topology, {.policy = RoutePolicy::shortest, .forward_in_node = forward}, flow).hops) {
      if (topology.vertices[topology.to(hop.channel)].node < 0) {
        crossed.push_back(topology.vertices[topology.to(hop.channel)].level);
      }
    }
    return crossed;
  };
  EXPECT_TRUE(visits(true, 3));
  EXPECT_EQ(levels(true), std::vector<int>{1});  // one leaf: that of rail 3
  EXPECT_FALSE(visits(false, 3));
  EXPECT_EQ(levels(false), (std::vector<int>{1, 2, 1}));  // up from rail 0, down to rail 3
}

TEST(Routing, NamesDevicesWithoutAWay) {
  const Topology topology = build_topology(multi_plane(4, 2));
  const std::vector<Demanded> flow = {{0, 3, 1}};
  EXPECT_EQ(
      user_error([&] { return route_flows(topology, {.forward_in_node = false}, flow); }),
      "topology 'fat tree': there is no way from device 0 (node 0) to device 3 (node 1) without forwarding inside "
      "the node");
  const std::vector<Demanded> beyond = {{0, 99, 1}};
  EXPECT_EQ(user_error([&] { return route_flows(topology, {}, beyond); }),
            "topology 'fat tree': there is no device 99; the last of its 16 devices is 15");
}

TEST(Routing, PolicyNames) {
  for (const RoutePolicy policy : kAll) {
    EXPECT_EQ(parse_route_policy(to_text(policy)), policy);
  }
  EXPECT_EQ(user_error([] { return parse_route_policy("spary"); }), "unknown routing 'spary' (did you mean 'spray'?)");
}

}  // namespace
}  // namespace moesaic
