// Sprayed flows as single paths: whole ways from end to end that put the same bytes on every channel.
#include "sim/split_paths.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/simgrid_flows.hpp"
#include "tests/hw/topologies.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

FlowProblem sprayed(const Topology& topology, bool every_channel = true) {
  const std::vector<Demanded> demands = all_to_all(topology, 1e6);
  return flow_problem(topology, route_flows(topology, {.every_channel = every_channel}, demands), demands);
}

std::vector<double> bytes_of_channels(const FlowProblem& problem) {
  std::vector<double> bytes(problem.capacity.size());
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    for (std::uint32_t i = problem.first[flow]; i < problem.first[flow + 1]; ++i) {
      bytes[problem.hops[i].channel] += problem.bytes[flow] * problem.hops[i].share;
    }
  }
  return bytes;
}

class SplitPaths : public testing::Test {
 protected:
  const std::vector<TopologyDescription> descriptions_ = {
      leaf_spine(4, 3, 16), fat_tree(4, 3, 2), multi_plane(4, 3), dragonfly(2, 4, 2, 5, 2),
      slim_fly(3, 1),       torus({4, 4}),     torus({3, 4, 2})};
};

TEST_F(SplitPaths, KeepsWhatChannelsCarry) {
  for (const TopologyDescription& description : descriptions_) {
    SCOPED_TRACE(description.name);
    const Topology topology = build_topology(description);
    const FlowProblem problem = sprayed(topology);
    const std::vector<double> before = bytes_of_channels(problem);
    const std::vector<double> after = bytes_of_channels(split_into_paths(topology, problem).problem);
    for (std::size_t channel = 0; channel < before.size(); ++channel) {
      EXPECT_NEAR(after[channel], before[channel], 1e-4 * before[channel]);
    }
  }
}

TEST_F(SplitPaths, GoFromEndToEnd) {
  for (const TopologyDescription& description : descriptions_) {
    SCOPED_TRACE(description.name);
    const Topology topology = build_topology(description);
    const std::vector<Demanded> demands = all_to_all(topology);
    const PathFlows paths = split_into_paths(topology, sprayed(topology));
    std::vector<double> bytes(demands.size());
    for (std::size_t path = 0; path < paths.flow_of.size(); ++path) {
      const Demanded& flow = demands[paths.flow_of[path]];
      bytes[paths.flow_of[path]] += paths.problem.bytes[path];
      VertexId at = flow.source;
      for (std::uint32_t i = paths.problem.first[path]; i < paths.problem.first[path + 1]; ++i) {
        ASSERT_EQ(topology.from(paths.problem.hops[i].channel), at);
        ASSERT_EQ(paths.problem.hops[i].share, 1);
        at = topology.to(paths.problem.hops[i].channel);
      }
      ASSERT_EQ(at, flow.destination);
    }
    for (const double sum : bytes) {
      ASSERT_NEAR(sum, 1e6, 1e-3);
    }
  }
}

TEST_F(SplitPaths, AreWhatSimGridTakes) {
  if (!find_simgrid()) {
    GTEST_SKIP() << "moesaic was built without SimGrid";
  }
  for (const TopologyDescription& description : descriptions_) {
    SCOPED_TRACE(description.name);
    const Topology topology = build_topology(description);
    const FlowProblem paths = split_into_paths(topology, sprayed(topology)).problem;
    const FlowTimes ours = run_flows(paths);
    const FlowTimes theirs = run_flows_in_simgrid(paths);
    for (std::size_t path = 0; path < paths.flows(); ++path) {
      ASSERT_NEAR(ours.end[path], theirs.end[path], 1e-7 * ours.end[path]) << path;
    }
  }
}

// Three others on the leaf by one path each, twelve by two. The bound is that of the flows; the time may be longer, for
// flows of two paths have two shares of an adapter and hold up those of one.
TEST(SplitPathsOfALeafSpine, CountAndKeepTheBound) {
  const Topology topology = build_topology(leaf_spine(4, 2, 16));
  const FlowProblem problem = sprayed(topology);
  const PathFlows paths = split_into_paths(topology, problem);
  EXPECT_EQ(paths.flow_of.size(), 16U * 3U + 16U * 12U * 2U);
  EXPECT_GE(run_flows(paths.problem).total.value, busiest_channel(problem).value);
  EXPECT_NEAR(busiest_channel(paths.problem).value, busiest_channel(problem).value, 1e-9);
}

TEST(SplitPathsOfALeafSpine, NeedEveryChannel) {
  const Topology topology = build_topology(leaf_spine(4, 2, 16));
  EXPECT_EQ(user_error([&] { return split_into_paths(topology, sprayed(topology, false)); }),
            "flow 0 cannot be split into paths: its channels do not join up; route it with every channel listed");
}

TEST(SplitPathsOfNothing, StayAsTheyAre) {
  const Topology topology = build_topology(torus({3}));
  FlowProblem problem;
  problem.capacity.assign(topology.channels(), 1e9);
  problem.first = {0, 0};
  problem.bytes = {5};
  problem.start = {1};
  problem.latency = {2};
  problem.multiplicity = {3};
  const PathFlows paths = split_into_paths(topology, problem);
  EXPECT_EQ(paths.problem.bytes, problem.bytes);
  EXPECT_EQ(paths.problem.start, problem.start);
  EXPECT_EQ(paths.problem.latency, problem.latency);
  EXPECT_EQ(paths.problem.multiplicity, problem.multiplicity);
  EXPECT_EQ(paths.problem.first, problem.first);
}

}  // namespace
}  // namespace moesaic
