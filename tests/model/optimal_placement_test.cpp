// MoETuner's programs against every possibility of small cases, against each other, and against other placements.
#include "model/optimal_placement.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/model/draw.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr LinkRates kRates{{400e9}, {50e9}};

OptimalOptions exactly(std::int64_t most_splits = 500) {
  return {.rates = kRates, .seconds = 60, .nodes = 100000, .gap = 0, .most_splits = most_splits};
}

std::vector<double> any_values(std::size_t count) {
  return *rc::gen::container<std::vector<double>>(
      count, rc::gen::map(rc::gen::inRange(0, 100), [](int i) { return i / 4.0; }));
}

double deviation_of(const std::vector<double>& ranks) {
  const double mean = std::accumulate(ranks.begin(), ranks.end(), 0.0) / static_cast<double>(ranks.size());
  return std::transform_reduce(ranks.begin(), ranks.end(), 0.0, std::plus<>(),
                               [&](double load) { return std::abs(load - mean); });
}

/// The least deviation over all ways to give each cluster `size` of the loads.
double least_deviation(const std::vector<double>& loads, std::size_t clusters) {
  const std::size_t size = loads.size() / clusters;
  std::vector<double> sums(clusters, 0.0);
  std::vector<std::size_t> held(clusters, 0);
  double least = 1e300;
  const auto place = [&](const auto& self, std::size_t e) -> void {
    if (e == loads.size()) {
      least = std::min(least, deviation_of(sums));
      return;
    }
    for (std::size_t c = 0; c < clusters; ++c) {
      if (held[c] < size) {
        ++held[c], sums[c] += loads[e];
        self(self, e + 1);
        --held[c], sums[c] -= loads[e];
      }
    }
  };
  place(place, 0);
  return least;
}

RC_GTEST_PROP(OptimalClusters, AreTheBestOfAllWays, ()) {
  if (!has_integer_solver()) {
    return;
  }
  const std::size_t clusters = any_of<std::size_t>({2, 3, 4}), size = any_of<std::size_t>({1, 2});
  const std::vector<double> loads = any_values(clusters * size);
  const ExpertClusters best = optimal_clusters(loads, static_cast<std::int64_t>(clusters), exactly());
  const double least = least_deviation(loads, clusters);
  RC_ASSERT(std::abs(best.deviation.value - least) < 1e-6);
  RC_ASSERT(best.deviation.bound <= least + 1e-6);
  RC_ASSERT(best.deviation.bound >= least - 1e-5);
  std::vector<double> sums;
  for (const auto& cluster : best.clusters) {
    RC_ASSERT(cluster.size() == size);
    sums.push_back(0);
    for (const std::int32_t e : cluster) {
      sums.back() += loads[static_cast<std::size_t>(e)];
    }
  }
  RC_ASSERT(std::abs(deviation_of(sums) - best.deviation.value) < 1e-9);
}

TEST(OptimalClusters, AreNeverWorseThanOtherPlacements) {
  for (const double exponent : {0.3, 0.8, 1.5}) {
    const Routing routing = Routing::zipf(16, 2, exponent, false);
    const auto deviates = [&](const ExpertPlacement& placement) {
      return deviation_of(rank_loads(placement, routing.inclusion()));
    };
    OptimalOptions options = exactly();
    options.nodes = 200;
    const RankGrid grid{4, 4};
    const Bounded best = optimal_clusters(routing.inclusion(), 4, options).deviation;
    EXPECT_LE(best.value, deviates(contiguous_placement(16, 0, grid)) + 1e-9);
    EXPECT_LE(best.value, deviates(round_robin_placement(16, 0, grid)) + 1e-9);
    EXPECT_LE(best.value, deviates(balanced_placement(routing.inclusion(), 0, grid)) + 1e-9);
    EXPECT_LE(best.bound, best.value + 1e-9);
    EXPECT_GE(best.bound, 0);
  }
}

TEST(OptimalClusters, TooLargeForAProofStillHaveABound) {
  const Routing routing = Routing::zipf(256, 8, 1.0);
  const ExpertClusters clusters = optimal_clusters(routing.inclusion(), 32, exactly());
  EXPECT_LE(clusters.deviation.bound, clusters.deviation.value);
  // The most popular expert is in 98% of the tokens and its cluster holds seven more, so it alone is beyond the mean of
  // 8 / 32; what is beyond is missing elsewhere, so it counts twice.
  EXPECT_GE(clusters.deviation.bound, 2 * (routing.inclusion()[0] - 0.25));
  EXPECT_LE(clusters.deviation.value, 2.0 * 8);
}

using Flow = std::vector<std::vector<double>>;

double slowest(const Flow& flow, const RankGrid& grid, const std::vector<std::vector<std::int32_t>>& ranks) {
  const auto count = static_cast<std::size_t>(grid.ranks);
  double sum = 0;
  for (std::size_t layer = 0; layer < flow.size(); ++layer) {
    double worst = 0;
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < count; ++b) {
        const std::int32_t from = ranks[layer][a], to = ranks[layer + 1][b];
        const BytesPerSecond rate = grid.node(from) == grid.node(to) ? kRates.scale_up : kRates.network;
        worst = std::max(worst, from == to ? 0 : flow[layer][a * count + b] / rate.value);
      }
    }
    sum += worst;
  }
  return sum;
}

/// Every order of the clusters of every layer but the first.
double least_slowest(const Flow& flow, const RankGrid& grid) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(grid.ranks));
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<std::int32_t>> ranks(flow.size() + 1, order);
  double least = 1e300;
  const auto choose = [&](const auto& self, std::size_t layer) -> void {
    if (layer == ranks.size()) {
      least = std::min(least, slowest(flow, grid, ranks));
      return;
    }
    std::vector<std::int32_t>& mine = ranks[layer];
    std::sort(mine.begin(), mine.end());
    do {
      self(self, layer + 1);
    } while (std::next_permutation(mine.begin(), mine.end()));
  };
  // Only orders that differ by more than the names of alike ranks matter for the first layer; all are tried on purpose.
  choose(choose, 0);
  return least;
}

Flow any_flow(std::size_t layers, std::size_t ranks) {
  Flow flow;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    flow.push_back(any_values(ranks * ranks));
  }
  return flow;
}

RC_GTEST_PROP(OptimalRanks, AreTheBestOfAllOrders, ()) {
  const RankGrid grid = any_of<RankGrid>({{4, 4}, {4, 2}, {4, 1}, {3, 3}, {2, 1}});
  const Flow flow = any_flow(grid.ranks == 4 ? 1 : 2, static_cast<std::size_t>(grid.ranks));
  const ClusterRanks best = optimal_cluster_ranks(flow, grid, exactly());
  const double least = least_slowest(flow, grid);
  RC_ASSERT(std::abs(best.worst.value - least) <= 1e-9 * least);
  RC_ASSERT(best.worst.bound == best.worst.value);
  RC_ASSERT(std::abs(slowest(flow, grid, best.ranks) - best.worst.value) <= 1e-9 * least);
}

TEST(OptimalRanks, ThreeLayersAreTheBestOfAllOrders) {
  rc::check("two nodes of two", [] {
    const Flow flow = any_flow(2, 4);
    const double least = least_slowest(flow, {4, 2});
    RC_ASSERT(std::abs(optimal_cluster_ranks(flow, {4, 2}, exactly()).worst.value - least) <= 1e-9 * least);
  });
}

TEST(OptimalRanks, CbcAndTheShortestPathAgree) {
  if (!has_integer_solver()) {
    GTEST_SKIP() << "no CBC here";
  }
  const LayerFlows flows =
      layer_flows(synthetic_trace({.experts = 4, .top_k = 1, .layers = 4, .tokens = 500, .affinity = 0.4}));
  const RankGrid grid{4, 2};
  const ClusterRanks path = optimal_cluster_ranks(flows.between, grid, exactly());
  const ClusterRanks program = optimal_cluster_ranks(flows.between, grid, exactly(0));
  EXPECT_NEAR(program.worst.value / path.worst.value, 1, 1e-6);
  EXPECT_NEAR(program.worst.bound / path.worst.value, 1, 1e-4);
  EXPECT_TRUE(program.in_time);
  EXPECT_EQ(program.ranks, optimal_cluster_ranks(flows.between, grid, exactly(0)).ranks);
}

RC_GTEST_PROP(OptimalRanks, WithoutProofAreValidAndBounded, ()) {
  // Too many splits for a path and no nodes for CBC: swaps and simple bounds. The path knows the optimum.
  const RankGrid grid = any_of<RankGrid>({{6, 3}, {6, 2}, {8, 4}});
  const Flow flow = any_flow(3, static_cast<std::size_t>(grid.ranks));
  OptimalOptions options = exactly(0);
  options.gap = 1;  // swaps are enough
  const ClusterRanks swaps = optimal_cluster_ranks(flow, grid, options);
  const ClusterRanks path = optimal_cluster_ranks(flow, grid, exactly());
  RC_ASSERT(swaps.worst.value >= path.worst.value * (1 - 1e-9));
  RC_ASSERT(swaps.worst.bound <= path.worst.value * (1 + 1e-9));
  RC_ASSERT(std::abs(slowest(flow, grid, swaps.ranks) - swaps.worst.value) <= 1e-9 * swaps.worst.value);
  for (std::vector<std::int32_t> ranks : swaps.ranks) {
    std::sort(ranks.begin(), ranks.end());
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      RC_ASSERT(ranks[i] == static_cast<std::int32_t>(i));
    }
  }
}

TEST(OptimalPlacement, IsNeverWorseThanOthersWithOneExpertARank) {
  // With one expert a rank the clusters are given, so the second objective compares with any placement.
  const LayerFlows flows = layer_flows(synthetic_trace({.layers = 32, .exponent = 0.5, .affinity = 0.6}));
  for (const std::int64_t per_node : {8, 4, 2, 1}) {
    const RankGrid grid{8, per_node};
    const OptimalPlacement best = optimal_placement(flows, grid, exactly());
    const auto cost = [&](const std::vector<ExpertPlacement>& placements) {
      return cross_layer_cost(flows, placements, kRates, Bytes{1});
    };
    const CrossLayerCost mine = cost(best.layers);
    EXPECT_NEAR(mine.worst.value / best.worst.value, 1, 1e-9) << per_node;
    EXPECT_LT(mine.worst, cost(std::vector(32, contiguous_placement(8, 0, grid))).worst);
    EXPECT_GT(mine.local, cost(std::vector(32, contiguous_placement(8, 0, grid))).local);
    std::vector<ExpertPlacement> balanced;
    for (const std::vector<double>& loads : flows.loads) {
      balanced.push_back(balanced_placement(loads, 0, grid));
    }
    EXPECT_LE(mine.worst, cost(balanced).worst);
  }
}

TEST(OptimalPlacement, FollowsPartnersWhereTokensAlwaysDo) {
  // Affinity 1: every token stays with its partner experts, so nothing need move, whatever the orders of the layers.
  const LayerFlows flows =
      layer_flows(synthetic_trace({.experts = 6, .top_k = 1, .layers = 10, .tokens = 600, .affinity = 1}));
  for (const RankGrid& grid : {RankGrid{6, 6}, RankGrid{6, 3}, RankGrid{6, 2}, RankGrid{6, 1}}) {
    const OptimalPlacement best = optimal_placement(flows, grid, exactly());
    EXPECT_EQ(best.worst.value, 0);
    EXPECT_NEAR(cross_layer_cost(flows, best.layers, kRates, Bytes{1}).local, 1, 1e-12);
  }
}

TEST(OptimalPlacement, Mistakes) {
  EXPECT_EQ(
      user_error([] { optimal_clusters(std::vector<double>(8, 1.0), 3, exactly()); }),
      "optimal placement: 8 experts do not divide into 3 ranks; it holds no expert twice and fills all ranks alike");
}

TEST(LayerFlows, PairsAddUpToLoads) {
  // Three tokens, two experts each.
  const RoutingTrace trace{3, 2, {{0, 1, 1, 2, 0, 2}, {1, 2, 0, 1, 0, 2}}, ""};
  const LayerFlows flows = layer_flows(trace);
  EXPECT_NEAR(flows.loads[0][1], 2.0 / 3, 1e-12);
  // Expert 0 then 2: tokens 0 and 2, half a use each.
  EXPECT_NEAR(flows.between[0][0 * 3 + 2], 2 * 0.5 / 3, 1e-12);
  for (std::size_t e = 0; e < 3; ++e) {
    double row = 0, column = 0;
    for (std::size_t f = 0; f < 3; ++f) {
      row += flows.between[0][e * 3 + f];
      column += flows.between[0][f * 3 + e];
    }
    EXPECT_NEAR(row, flows.loads[0][e], 1e-12);
    EXPECT_NEAR(column, flows.loads[1][e], 1e-12);
  }
}

TEST(LayerFlows, CostByHand) {
  // Two experts on two nodes; of a token's uses 0.75 go from 0 to 0 or 1 to 1, which stay, 0.1 from 0 to 1 and 0.15
  // back.
  LayerFlows flows{2, {{0.4, 0.6}, {0.45, 0.55}}, {{0.3, 0.1, 0.15, 0.45}}};
  const std::vector<ExpertPlacement> same(2, contiguous_placement(2, 0, {2, 1}));
  const CrossLayerCost cost = cross_layer_cost(flows, same, kRates, Bytes{1e9});
  EXPECT_NEAR(cost.worst.value, 0.15 * 1e9 / 50e9, 1e-12);
  EXPECT_NEAR(cost.local, 0.75, 1e-12);
  EXPECT_EQ(cost.node, 0);
  const CrossLayerCost near =
      cross_layer_cost(flows, std::vector(2, contiguous_placement(2, 0, {2, 2})), kRates, Bytes{1e9});
  EXPECT_NEAR(near.worst.value, 0.15 * 1e9 / 400e9, 1e-12);
  EXPECT_NEAR(near.node, 0.25, 1e-12);
}

TEST(Synthetic, FollowsPopularityAndAffinity) {
  const SyntheticTrace options{.experts = 8, .top_k = 1, .layers = 2, .tokens = 20000, .exponent = 1, .affinity = 0.7};
  const RoutingTrace trace = synthetic_trace(options);
  check_trace(trace);
  const LayerFlows flows = layer_flows(trace);
  double harmonic = 0;
  for (double i = 1; i <= 8; ++i) {
    harmonic += 1 / i;
  }
  std::vector<double> sorted = flows.loads[0];
  std::sort(sorted.rbegin(), sorted.rend());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    EXPECT_NEAR(sorted[i], 1 / harmonic / static_cast<double>(i + 1), 0.02);
  }
  // Of an expert's tokens 0.7 more go to its partner than of the others' tokens; partners are different.
  std::vector<std::size_t> partners;
  for (std::size_t e = 0; e < 8; ++e) {
    const auto share = [&](std::size_t from, std::size_t to) {
      return flows.between[0][from * 8 + to] / flows.loads[0][from];
    };
    std::size_t partner = 0;
    for (std::size_t b = 1; b < 8; ++b) {
      partner = share(e, b) > share(e, partner) ? b : partner;
    }
    partners.push_back(partner);
    EXPECT_NEAR(share(e, partner) - share((e + 1) % 8, partner), 0.7, 0.05) << e;
  }
  std::sort(partners.begin(), partners.end());
  EXPECT_EQ(std::unique(partners.begin(), partners.end()), partners.end());
  EXPECT_EQ(trace.layers, synthetic_trace(options).layers);
  SyntheticTrace other = options;
  other.seed = 2;
  EXPECT_NE(trace.layers, synthetic_trace(other).layers);
}

TEST(Synthetic, Mistakes) {
  EXPECT_EQ(user_error([] { synthetic_trace({.affinity = 1.5}); }),
            "synthetic trace: affinity is 1.5; allowed: 0 to 1");
}

}  // namespace
}  // namespace moesaic
