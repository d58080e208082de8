// Max-min fair flows: cases that can be followed by hand, and closed forms of collectives.
#include "sim/flows.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/sim/flow_networks.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

/// Flows by the channels that they take whole.
FlowProblem flows_over(std::vector<double> capacity, const std::vector<std::vector<std::uint32_t>>& rows,
                       std::vector<double> bytes) {
  FlowProblem problem;
  problem.capacity = std::move(capacity);
  problem.bytes = std::move(bytes);
  problem.first.push_back(0);
  for (const auto& row : rows) {
    for (const std::uint32_t channel : row) {
      problem.hops.push_back({channel});
    }
    problem.first.push_back(static_cast<std::uint32_t>(problem.hops.size()));
  }
  return problem;
}

TEST(MaxMinRates, FlowsOnOneChannelShareItEvenly) {
  for (const double rate : max_min_rates(flows_over({12}, {{0}, {0}, {0}}, {1, 2, 3}))) {
    EXPECT_DOUBLE_EQ(rate, 4);
  }
}

// The textbook's case (Bertsekas and Gallager, "Data Networks", 6.5.2): the narrow channel fixes both flows on it at 2,
// and the third gets all that is left of the wide one.
TEST(MaxMinRates, WhatOneFlowCannotUseAnotherGets) {
  const std::vector<double> rates = max_min_rates(flows_over({10, 4}, {{0, 1}, {0}, {1}}, {1, 1, 1}));
  EXPECT_DOUBLE_EQ(rates[0], 2);
  EXPECT_DOUBLE_EQ(rates[1], 8);
  EXPECT_DOUBLE_EQ(rates[2], 2);
}

// Half of a sprayed flow and two whole ones: r / 2 + 2 r = 10.
TEST(MaxMinRates, AShareTakesItsPart) {
  FlowProblem problem = flows_over({10}, {{0}, {0}}, {1, 1});
  problem.hops[0].share = 0.5;
  problem.multiplicity = {1, 2};
  for (const double rate : max_min_rates(problem)) {
    EXPECT_DOUBLE_EQ(rate, 4);
  }
}

TEST(MaxMinRates, WhatNothingHoldsUpIsInfinitelyFast) {
  const std::vector<double> rates = max_min_rates(flows_over({kUnlimited, 3, 0}, {{}, {0}, {0, 1}, {2}}, {1, 1, 1, 1}));
  EXPECT_EQ(rates[0], kUnlimited);
  EXPECT_EQ(rates[1], kUnlimited);
  EXPECT_DOUBLE_EQ(rates[2], 3);
  EXPECT_EQ(rates[3], 0);
}

// Alone until 1.5 s, 15 of 20 bytes of the first have moved. Both then have 5 bytes/s: the first ends 1 s later, when
// the second has 5 of its 10 bytes left for the whole channel.
TEST(RunFlows, AStartAndALatencyDelayAFlow) {
  FlowProblem problem = flows_over({10}, {{0}, {0}}, {20, 10});
  problem.start = {0, 1};
  problem.latency = {0, 0.5};
  const FlowTimes times = run_flows(problem);
  EXPECT_DOUBLE_EQ(times.end[0], 2.5);
  EXPECT_DOUBLE_EQ(times.end[1], 3);
  EXPECT_DOUBLE_EQ(times.total.value, 3);
  EXPECT_EQ(times.events, 3U);
}

// Rates are 2, 8 and 2 as above. The second flow ends at 1 s; the first stays at 2, for the narrow channel still holds
// it up. Flow three ends at 3 s with 6 bytes of the first moved; it has the narrow channel's 4 bytes/s for the other 6.
TEST(RunFlows, RatesRiseWhenAFlowEnds) {
  const FlowTimes times = run_flows(flows_over({10, 4}, {{0, 1}, {0}, {1}}, {12, 8, 6}));
  EXPECT_DOUBLE_EQ(times.end[1], 1);
  EXPECT_DOUBLE_EQ(times.end[2], 3);
  EXPECT_DOUBLE_EQ(times.end[0], 4.5);
}

// The channel carries nothing between 1 s and 5 s.
TEST(RunFlows, AChannelMayBeIdle) {
  FlowProblem problem = flows_over({10}, {{0}, {0}}, {10, 10});
  problem.start = {5, 0};
  const FlowTimes times = run_flows(problem);
  EXPECT_DOUBLE_EQ(times.end[0], 6);
  EXPECT_DOUBLE_EQ(times.end[1], 1);
}

TEST(RunFlows, WhatMovesNothingEndsWithItsLatency) {
  FlowProblem problem = flows_over({kUnlimited, 10}, {{}, {0}, {1}, {1}}, {7, 7, 0, 10});
  problem.start = {1, 2, 3, 0};
  problem.latency = {0.25, 0.25, 0.25, 0};
  const FlowTimes times = run_flows(problem);
  EXPECT_EQ(times.end, (std::vector<double>{1.25, 2.25, 3.25, 1}));
  EXPECT_EQ(run_flows(FlowProblem{{}, {0}, {}, {}, {}, {}, {}}).total.value, 0);
}

TEST(RunFlows, EndsThatAreCloseCountAsOne) {
  const FlowProblem problem = flows_over({10}, {{0}, {0}, {0}}, {10, 10 * (1 + 1e-11), 10 * (1 + 2e-11)});
  EXPECT_EQ(run_flows(problem).events, 1U);
  EXPECT_EQ(run_flows(problem, 0).events, 3U);
  EXPECT_NEAR(run_flows(problem).total.value, run_flows(problem, 0).total.value, 3 * 1e-9);
}

TEST(RunFlows, AChannelWithoutBandwidthIsNamed) {
  const FlowProblem problem = flows_over({10, 0}, {{0}, {0, 1}}, {1, 1});
  EXPECT_EQ(user_error([&] { return run_flows(problem); }), "flow 1 has to cross channel 1, which has no bandwidth");
  EXPECT_EQ(busiest_channel(problem).value, kUnlimited);
  EXPECT_DOUBLE_EQ(run_flows(flows_over({10, 0}, {{0}, {0, 1}}, {1, 0})).total.value, 0.1);
}

// Each adapter sends and receives n - 1 messages.
TEST(RunFlows, AllToAllOnAStar) {
  for (const std::uint32_t ranks : {2U, 3U, 17U, 64U}) {
    const FlowProblem problem = problem_of(star_network(ranks, kRate), all_to_all(ranks, kMegabyte));
    const double expected = (ranks - 1) * kMegabyte / kRate;
    EXPECT_NEAR(run_flows(problem).total.value, expected, 1e-12 * expected);
    EXPECT_NEAR(busiest_channel(problem).value, expected, 1e-12 * expected);
  }
}

// Two leaves of 32 ranks, 16 spines: 32 x 32 flows over 16 channels up, 64 on each, 1.280 ms. An adapter gives half of
// itself to its 32 flows that leave the leaf and half to the 31 others, which end after 62 x 20 us = 1.240 ms.
TEST(RunFlows, AllToAllOverATaper) {
  const FlowProblem problem = problem_of(leaf_spine_network(2, 32, 16, kRate), all_to_all(64, kMegabyte));
  const FlowTimes times = run_flows(problem);
  EXPECT_NEAR(times.total.value, 1.280e-3, 1e-12);
  EXPECT_NEAR(times.end[0], 1.240e-3, 1e-12);  // rank 0 to rank 1
  EXPECT_NEAR(times.end[62], 1.280e-3, 1e-12);
  EXPECT_EQ(times.events, 2U);
}

// H800 nodes with a plane for each GPU (arXiv:2505.09343, 4.3). An adapter carries what its node's 8 GPUs send to the
// GPUs of its place in the 3 other nodes: 24 messages of 20 us. A GPU's NVLink at 160 GB/s sends its 7 messages within
// the node, 7 x 3 to be forwarded: 28 x 6.25 us = 175 us. So the network takes 480 us, and all of it.
TEST(RunFlows, AllToAllOverPlanesForwardedInNodes) {
  const FlowProblem problem = problem_of(multi_plane_network(4, 8, 160e9, kRate), all_to_all(32, kMegabyte));
  EXPECT_NEAR(busiest_channel(problem).value, 480e-6, 1e-15);
  EXPECT_NEAR(run_flows(problem).total.value, 480e-6, 1e-12);
}

// A ring of 8, the shorter way round and ahead where both are 4 hops: a channel ahead carries 1 + 2 + 3 + 4 = 10 flows,
// all of which cross no others and so have a tenth of it.
TEST(RunFlows, AllToAllOnARing) {
  const FlowTimes times = run_flows(problem_of(torus_network({8}, kRate), all_to_all(8, kMegabyte)));
  EXPECT_NEAR(times.total.value, 10 * kMegabyte / kRate, 1e-12);
}

// 7 messages for the channel into the hot rank, each 8 MB, take longer than its other traffic: 56 x 20 us.
TEST(RunFlows, AHotExpertSetsThePace) {
  const FlowProblem problem = problem_of(star_network(8, kRate), hot_expert(8, 3, kMegabyte));
  EXPECT_NEAR(run_flows(problem).total.value, 56 * kMegabyte / kRate, 1e-12);
}

TEST(FlowProblem, TakesBandwidthsAndLatenciesFromTheTopology) {
  Topology topology;
  topology.devices = 2;
  topology.vertices.resize(3);
  topology.links = {{0, 2, BytesPerSecond{10}, Seconds{1}, LinkRole::endpoint},
                    {1, 2, BytesPerSecond{5}, Seconds{1}, LinkRole::endpoint}};
  Routes routes;
  routes.first = {0, 2, 4};
  routes.hops = {{0}, {3}, {2}, {1}};
  routes.latency = {2, 2};
  const std::vector<Demanded> demands = {{0, 1, 20}, {1, 0, 10}};
  const FlowProblem problem = flow_problem(topology, routes, demands);
  EXPECT_EQ(problem.capacity, (std::vector<double>{10, 10, 5, 5}));
  const FlowTimes times = run_flows(problem);
  EXPECT_DOUBLE_EQ(times.end[0], 2 + 20.0 / 5);
  EXPECT_DOUBLE_EQ(times.end[1], 2 + 10.0 / 5);
  EXPECT_EQ(run_flows(flow_problem(topology, std::move(routes), demands)).end, times.end);
}

}  // namespace
}  // namespace moesaic
