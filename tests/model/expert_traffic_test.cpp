// Copies of tokens between ranks: closed forms against drawn tokens, conservation, symmetry, published bytes.
#include "model/expert_traffic.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "model/expert_draw.hpp"
#include "model/random_words.hpp"
#include "tests/model/draw.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

ExpertTraffic traffic_of(const Routing& routing, const ExpertPlacement& placement, CopyRule rule,
                         const HitOptions& options = {}, double tokens = 1) {
  const std::vector<double> each(static_cast<std::size_t>(placement.grid.ranks), tokens);
  return expert_traffic(expert_hits(routing, placement, options), each, rule);
}

/// A trace of tokens drawn as the routing and the limit say, so that its hits are a simulation of expected ones.
RoutingTrace drawn(const Routing& routing, const GroupLimit& limit, std::int64_t tokens, std::uint64_t seed) {
  RoutingTrace trace{routing.experts(), routing.top_k(), {{}}, ""};
  ExpertDraw draw(routing, limit);
  std::vector<std::int32_t> chosen(static_cast<std::size_t>(routing.top_k()));
  for (std::int64_t token = 0; token < tokens; ++token) {
    Draws draws(seed, 1, static_cast<std::uint32_t>(token));
    draw.draw(draws, chosen);
    trace.layers[0].insert(trace.layers[0].end(), chosen.begin(), chosen.end());
  }
  return trace;
}

TEST(UniformHits, AreHypergeometric) {
  // 8 of 256 experts on 64 ranks of 4: a rank is missed with chance C(252, 8) / C(256, 8).
  const ExpertHits hits = expert_hits(Routing::uniform(256, 8), contiguous_placement(256, 0, {64, 8}));
  double miss = 1, node_miss = 1;
  for (double i = 0; i < 8; ++i) {
    miss *= (252 - i) / (256 - i);
    node_miss *= (224 - i) / (256 - i);
  }
  EXPECT_NEAR(hits.sources[0].rank[17], 1 - miss, 1e-12);
  EXPECT_NEAR(hits.sources[0].node[3], 1 - node_miss, 1e-12);
  EXPECT_NEAR(hits.sources[0].pairs[5], 8.0 / 64, 1e-12);
}

TEST(UniformHits, OneExpertATokenHitsItsShare) {
  // Top-1 with two copies of each of 4 experts: every slot gets 1/8 of the tokens.
  const ExpertHits hits = expert_hits(Routing::uniform(4, 1), contiguous_placement(4, 4, {4, 2}));
  for (std::size_t rank = 0; rank < 4; ++rank) {
    EXPECT_NEAR(hits.sources[0].rank[rank], 0.25, 1e-12);
    EXPECT_NEAR(hits.sources[0].pairs[rank], 0.25, 1e-12);
  }
}

TEST(UniformHits, AllExpertsOfEveryToken) {
  const ExpertHits hits = expert_hits(Routing::uniform(8, 8), contiguous_placement(8, 0, {4, 2}));
  EXPECT_NEAR(hits.sources[0].rank[2], 1, 1e-9);
  EXPECT_NEAR(hits.sources[0].pairs[2], 2, 1e-12);
}

TEST(GroupLimit, SmallCaseByHand) {
  // Four experts in two groups, two a token, one group: the first expert opens it, so both are of the same group.
  HitOptions options;
  options.limit = {2, 1};
  const ExpertHits hits = expert_hits(Routing::uniform(4, 2), contiguous_placement(4, 0, {2, 1}), options);
  EXPECT_NEAR(hits.sources[0].rank[0], 0.5, 1e-12);
  EXPECT_NEAR(hits.sources[0].pairs[0], 1, 1e-12);
  // Six experts in three groups, three a token of at most two groups. The first two experts are of one group with
  // chance 1/5, then the third opens another. Else two groups are open. Either way two groups exactly.
  options.limit = {3, 2};
  const ExpertHits six = expert_hits(Routing::uniform(6, 3), contiguous_placement(6, 0, {3, 1}), options);
  EXPECT_NEAR(sum(six.sources[0].node), 2, 1e-12);
  // One rank an expert: each is used with chance 3/6.
  const ExpertHits single = expert_hits(Routing::uniform(6, 3), contiguous_placement(6, 0, {6, 2}), options);
  EXPECT_NEAR(single.sources[0].rank[4], 0.5, 1e-12);
}

struct Case {
  std::int64_t experts, top_k, redundant;
  RankGrid grid;
  GroupLimit limit;
};

// The closed form's chances within five standard errors of 40,000 drawn tokens.
TEST(UniformHits, AgreeWithDrawnTokens) {
  for (const Case& c : std::vector<Case>{{8, 2, 0, {4, 2}, {}},
                                         {64, 6, 16, {16, 4}, {}},
                                         {64, 8, 0, {16, 4}, {8, 3}},
                                         {256, 8, 0, {64, 8}, {8, 4}},
                                         {32, 4, 32, {16, 4}, {4, 2}},
                                         {24, 4, 8, {8, 4}, {6, 3}}}) {
    const std::int64_t tokens = 40000;
    const Routing routing = Routing::uniform(c.experts, c.top_k);
    for (const bool blocks : {true, false}) {
      const ExpertPlacement placement = blocks ? contiguous_placement(c.experts, c.redundant, c.grid)
                                               : round_robin_placement(c.experts, c.redundant, c.grid);
      HitOptions options;
      options.limit = c.limit;
      const ExpertHits closed = expert_hits(routing, placement, options);
      const ExpertHits actual = traced_hits(drawn(routing, c.limit, tokens, 5), 0, placement);
      const auto near = [&](const std::vector<double> TokenHits::*of, std::size_t i) {
        double mean = 0;
        for (const TokenHits& source : actual.sources) {
          mean += (source.*of)[i] / static_cast<double>(actual.sources.size());
        }
        const double chance = (closed.sources[0].*of)[i];
        const double error = 5 * std::sqrt(std::max(chance * (1 - chance), 1e-9) / static_cast<double>(tokens));
        EXPECT_NEAR(mean, chance, error) << c.experts << " experts, rank or node " << i << ", blocks " << blocks;
      };
      for (std::size_t i = 0; i < closed.sources[0].rank.size(); ++i) {
        near(&TokenHits::rank, i);
      }
      for (std::size_t i = 0; i < closed.sources[0].node.size(); ++i) {
        near(&TokenHits::node, i);
      }
    }
  }
}

TEST(GroupLimit, DeepSeekV3NearlyAlwaysUsesAllFourNodes) {
  // Eight random experts meet fewer than four of eight groups rarely: by surjections, sum over j < 4 of
  // C(8, j) C-counts; without replacement about 1.4%. The mean lies between 3.97 and 4 and never above the limit.
  HitOptions options;
  options.limit = {8, 4};
  const ExpertHits hits = expert_hits(Routing::uniform(256, 8), contiguous_placement(256, 0, {64, 8}), options);
  EXPECT_LE(sum(hits.sources[0].node), 4);
  EXPECT_GT(sum(hits.sources[0].node), 3.97);
  // Unlimited: 8 (1 - C(224, 8) / C(256, 8)) nodes.
  const ExpertHits free = expert_hits(Routing::uniform(256, 8), contiguous_placement(256, 0, {64, 8}));
  double miss = 1;
  for (double i = 0; i < 8; ++i) {
    miss *= (224 - i) / (256 - i);
  }
  EXPECT_NEAR(sum(free.sources[0].node), 8 * (1 - miss), 1e-10);
}

TEST(GroupLimit, KeepsTokensOnFewNodes) {
  // Groups are nodes: no token leaves more than its limit, but for the noise of drawn ones.
  for (const double exponent : {0.0, 0.5, 1.5}) {
    for (const std::int64_t most : {1, 2, 3, 4, 8}) {
      HitOptions options;
      options.limit = {8, most};
      const ExpertHits hits =
          expert_hits(Routing::zipf(128, 8, exponent), contiguous_placement(128, 0, {32, 4}), options);
      EXPECT_LE(sum(hits.sources[0].node), static_cast<double>(most) * (exponent > 0 ? 1.02 : 1 + 1e-12));
      EXPECT_NEAR(sum(hits.sources[0].pairs), 8, 1e-6);
    }
  }
}

TEST(SkewedHits, EqualUniformOnesWhereBothApply) {
  // A histogram one part in 1e9 off uniform is drawn, not computed: same numbers within its noise.
  std::vector<double> popularity(64, 1.0);
  popularity[5] += 1e-9;
  const Routing nearly = Routing::histogram(6, popularity);
  for (const GroupLimit& limit : {GroupLimit{}, GroupLimit{8, 3}}) {
    HitOptions options;
    options.limit = limit;
    const ExpertPlacement placement = round_robin_placement(64, 0, {16, 4});
    const TokenHits exact = expert_hits(Routing::uniform(64, 6), placement, options).sources[0];
    const TokenHits drawn_ones = expert_hits(nearly, placement, options).sources[0];
    for (std::size_t rank = 0; rank < 16; ++rank) {
      EXPECT_NEAR(drawn_ones.pairs[rank] / exact.pairs[rank], 1, limit.limits() ? 0.02 : 1e-6);
      EXPECT_NEAR(drawn_ones.rank[rank] / exact.rank[rank], 1, 0.02);
    }
  }
}

TEST(SkewedHits, AreAFunctionOfTheSeed) {
  const Routing routing = Routing::zipf(32, 4, 1.0);
  const ExpertPlacement placement = contiguous_placement(32, 8, {8, 4});
  const auto rank = [&](std::uint64_t seed) {
    HitOptions options;
    options.seed = seed;
    return expert_hits(routing, placement, options).sources[0].rank;
  };
  EXPECT_EQ(rank(3), rank(3));
  EXPECT_NE(rank(3), rank(4));
}

TEST(SkewedHits, DrawWithTheirInclusion) {
  const Routing routing = Routing::zipf(24, 3, 1.5);
  ExpertDraw draw(routing, {});
  std::vector<std::int32_t> chosen(3);
  std::vector<double> counts(24, 0.0);
  const int tokens = 40000;
  for (int token = 0; token < tokens; ++token) {
    Draws draws(9, 0, static_cast<std::uint32_t>(token));
    draw.draw(draws, chosen);
    for (const std::int32_t expert : chosen) {
      counts[static_cast<std::size_t>(expert)] += 1.0 / tokens;
    }
  }
  const std::vector<double> smoothed = draw.inclusion();
  for (std::size_t e = 0; e < counts.size(); ++e) {
    const double p = routing.inclusion()[e], error = std::sqrt(p * (1 - p) / tokens);
    EXPECT_NEAR(counts[e], p, 5 * error);
    EXPECT_NEAR(smoothed[e], p, 2.5 * error);  // scatters less
  }
}

TEST(GroupLimit, NoGroupsWithoutPopularExperts) {
  const Routing routing = Routing::histogram(2, {1, 0, 1, 0, 0, 1, 0, 0});
  HitOptions options;
  options.limit = {4, 1};
  EXPECT_EQ(user_error([&] {
              expert_hits(routing, contiguous_placement(8, 0, {4, 2}), options);
            }),
            "expert groups: the groups that a token may use hold fewer experts of positive popularity than it needs");
}

TEST(GroupLimit, Mistakes) {
  const auto message = [](const GroupLimit& limit) { return user_error([&] { check_group_limit(limit, 64, 6); }); };
  EXPECT_EQ(message({8, 9}), "expert groups: a token uses 9 of 8 groups; allowed: 1 to all of them");
  EXPECT_EQ(message({7, 3}), "expert groups: 7 groups do not divide 64 experts");
  EXPECT_EQ(message({32, 2}), "expert groups: 2 groups hold 4 experts; a token needs 6");
}

Routing any_routing(std::int64_t experts, std::int64_t top_k) {
  return coin() ? Routing::uniform(experts, top_k)
                : Routing::zipf(experts, top_k, any_of<double>({0.5, 1.0, 2.0}), coin());
}

struct AnyTraffic {
  Routing routing;
  ExpertPlacement placement;
  HitOptions options;
};

AnyTraffic any_traffic() {
  const std::int64_t per_node = any_of<std::int64_t>({1, 2, 4}), nodes = any_of<std::int64_t>({1, 2, 4});
  const RankGrid grid{per_node * nodes, per_node};
  const std::int64_t experts = grid.ranks * any_of<std::int64_t>({2, 3}), redundant = coin() ? grid.ranks : 0;
  const std::int64_t top_k = up_to(std::min<std::int64_t>(experts / 2, 4));
  HitOptions options;
  options.samples = 200;
  options.replicas = coin() ? ReplicaRule::even : ReplicaRule::own_node;
  if (coin()) {
    options.limit = {nodes, up_to(nodes)};
    if (options.limit.most * (experts / nodes) < top_k) {
      options.limit.most = nodes;
    }
  }
  Routing routing = any_routing(experts, top_k);
  ExpertPlacement placement = coin()   ? contiguous_placement(experts, redundant, grid)
                              : coin() ? round_robin_placement(experts, redundant, grid)
                                       : balanced_placement(routing.inclusion(), redundant, grid);
  return {std::move(routing), std::move(placement), options};
}

RC_GTEST_PROP(Traffic, ConservesCopies, ()) {
  const AnyTraffic any = any_traffic();
  const ExpertHits hits = expert_hits(any.routing, any.placement, any.options);
  const auto ranks = static_cast<std::size_t>(any.placement.grid.ranks);
  std::vector<double> tokens;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    tokens.push_back(static_cast<double>(up_to(50)));
  }
  const double pairs = sum(tokens) * static_cast<double>(any.routing.top_k());
  const ExpertTraffic expert = expert_traffic(hits, tokens, CopyRule::per_expert);
  const ExpertTraffic rank = expert_traffic(hits, tokens, CopyRule::per_rank);
  const ExpertTraffic node = expert_traffic(hits, tokens, CopyRule::per_node);
  const double slack = 1e-6 * pairs;  // of the quadrature behind the inclusion probabilities
  RC_ASSERT(std::abs(sum(expert.network) + sum(expert.scale_up) - pairs) < slack);
  RC_ASSERT(std::abs(sum(expert.rows) - pairs) < slack);
  for (std::size_t i = 0; i < ranks * ranks; ++i) {
    RC_ASSERT(rank.network[i] <= expert.network[i] + slack);
    RC_ASSERT(rank.scale_up[i] <= expert.scale_up[i] + slack);
  }
  // Every distinct rank is reached once, straight or forwarded.
  const double reached = sum(rank.network) + sum(rank.scale_up);
  RC_ASSERT(std::abs(reached - rank.distinct_ranks * rank.tokens) < slack);
  RC_ASSERT(std::abs(sum(node.scale_up) - reached) < slack);
  // Forwarding leaves one copy a node: never more on the network than copies of its ranks.
  RC_ASSERT(sum(node.network) <= sum(rank.network) + slack);
  RC_ASSERT(node.distinct_nodes <= static_cast<double>(any.routing.top_k()) + 1e-6);
  RC_ASSERT(node.distinct_nodes <= node.distinct_ranks + 1e-6);
}

RC_GTEST_PROP(Traffic, IsSymmetricUnderUniformRouting, ()) {
  const std::int64_t per_node = any_of<std::int64_t>({1, 2, 4}), nodes = any_of<std::int64_t>({2, 4});
  const RankGrid grid{per_node * nodes, per_node};
  const std::int64_t experts = grid.ranks * up_to(3);
  HitOptions options;
  if (coin()) {
    options.limit = {nodes, nodes - 1};
  }
  const CopyRule rule = any_of({CopyRule::per_expert, CopyRule::per_rank, CopyRule::per_node});
  const std::int64_t top_k = std::min<std::int64_t>(3, experts / nodes);
  const ExpertTraffic traffic =
      traffic_of(Routing::uniform(experts, top_k), contiguous_placement(experts, 0, grid), rule, options, 10);
  const auto ranks = static_cast<std::size_t>(grid.ranks);
  for (std::size_t i = 0; i < ranks; ++i) {
    for (std::size_t j = 0; j < ranks; ++j) {
      RC_ASSERT(std::abs(traffic.network[i * ranks + j] - traffic.network[j * ranks + i]) < 1e-9);
      RC_ASSERT(std::abs(traffic.scale_up[i * ranks + j] - traffic.scale_up[j * ranks + i]) < 1e-9);
    }
  }
  const TrafficSummary summary = summarize(traffic);
  RC_ASSERT(std::abs(summary.imbalance - 1) < 1e-9);
  RC_ASSERT(std::abs(summary.network_sent.most - summary.network_received.most) < 1e-9);
  RC_ASSERT(std::abs(summary.network_sent.most - summary.network_sent.mean) < 1e-9);
  RC_ASSERT(std::abs(summary.local_activation - 1 / static_cast<double>(ranks)) < 1e-9);
}

TEST(Traffic, PerNodeGoesToTheRankOfTheSendersPosition) {
  const ExpertTraffic traffic =
      traffic_of(Routing::uniform(8, 2), contiguous_placement(8, 0, {4, 2}), CopyRule::per_node);
  // The other node is hit unless both experts are of the own: 1 - C(4,2)/C(8,2) = 22/28. A rank: 1 - C(6,2)/C(8,2).
  const double node = 22.0 / 28, rank = 13.0 / 28;
  EXPECT_NEAR(traffic.network[0 * 4 + 2], node, 1e-12);
  EXPECT_EQ(traffic.network[0 * 4 + 3], 0);
  EXPECT_EQ(traffic.network[0 * 4 + 1], 0);
  // Rank 2 forwards rank 0's tokens and sends its own.
  EXPECT_NEAR(traffic.scale_up[2 * 4 + 3], 2 * rank, 1e-12);
  EXPECT_NEAR(traffic.scale_up[2 * 4 + 2], 2 * rank, 1e-12);
}

TEST(Traffic, OwnNodesReplicasKeepTokensAtHome) {
  // Two nodes with all experts each: nothing crosses the network.
  HitOptions options;
  options.replicas = ReplicaRule::own_node;
  for (const double exponent : {0.0, 1.0}) {
    const Routing routing = Routing::zipf(4, 2, exponent);
    const ExpertPlacement placement = contiguous_placement(4, 4, {4, 2});
    const ExpertTraffic home = traffic_of(routing, placement, CopyRule::per_rank, options);
    EXPECT_EQ(sum(home.network), 0);
    EXPECT_NEAR(home.distinct_nodes, 1, 1e-6);
    EXPECT_GT(sum(traffic_of(routing, placement, CopyRule::per_rank).network), 1);
  }
}

TEST(TracedHits, CountWhatWasRecorded) {
  // Four ranks, one token each, eight experts in pairs.
  const RoutingTrace trace{8, 2, {{0, 1, 2, 7, 4, 6, 0, 6}}, ""};
  const std::vector<double> tokens(4, 1.0);
  const ExpertHits hits = traced_hits(trace, 0, contiguous_placement(8, 0, {4, 2}));
  const ExpertTraffic traffic = expert_traffic(hits, tokens, CopyRule::per_expert);
  // rank 0: experts 0 1 -> itself twice; rank 1: 2 -> itself, 7 -> rank 3; rank 2: 4 -> itself, 6 -> 3; 3: 0 -> 0, 6.
  EXPECT_EQ(traffic.scale_up[0], 2);
  EXPECT_EQ(traffic.network[1 * 4 + 3], 1);
  EXPECT_EQ(traffic.scale_up[2 * 4 + 3], 1);
  EXPECT_EQ(traffic.network[3 * 4 + 0], 1);
  EXPECT_EQ(traffic.rows, (std::vector<double>{3, 1, 1, 3}));
  EXPECT_EQ(traffic.local_pairs, 5);
  EXPECT_DOUBLE_EQ(summarize(traffic).local_activation, 5.0 / 8);
  EXPECT_DOUBLE_EQ(summarize(traffic).imbalance, 1.5);
  EXPECT_EQ(expert_traffic(hits, tokens, CopyRule::per_rank).scale_up[0], 1);  // both experts in one copy
}

TEST(TracedHits, MistakesAreNamed) {
  const RoutingTrace trace{8, 2, {{0, 1, 2, 3}}, ""};
  EXPECT_EQ(user_error([&] {
              traced_hits(trace, 0, contiguous_placement(8, 0, {4, 2}));
            }),
            "routing trace: 2 tokens are fewer than the 4 ranks that they are dealt to");
  EXPECT_EQ(user_error([&] {
              traced_hits(trace, 0, contiguous_placement(4, 0, {2, 2}));
            }),
            "expert traffic: trace is of 8 experts, placement of 4");
  EXPECT_EQ(user_error([&] {
              expert_hits(Routing::uniform(8, 2), contiguous_placement(4, 0, {2, 2}));
            }),
            "expert traffic: routing is of 8 experts, placement of 4");
}

}  // namespace
}  // namespace moesaic
