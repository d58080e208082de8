// Placements compared, and the published bandwidths of DeepEP's normal kernels from their traffic.
#include "model/placement_comparison.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

TEST(Rows, AreThoseOfDeepEp) {
  // A byte an element and 32 bits for every 128; bf16 back. github.com/deepseek-ai/DeepEP, README: hidden 7168.
  EXPECT_EQ(dispatch_row(7168, {DType::fp8, 8}).value, 7168 + 56 * 4);
  EXPECT_EQ(dispatch_row(7169, {DType::fp8, 8}).value, 7169 + 57 * 4);
  EXPECT_EQ(dispatch_row(7168, {DType::bf16, 16}).value, 14336);
  EXPECT_EQ(combine_row(7168).value, 14336);
}

// DeepEP, docs/legacy.md: dispatch of 4096 tokens a rank, hidden 7168, top-8 of 4 nodes, H800: 43, 58 and 51 GB/s of
// logical network bandwidth (own node's tokens counted) on 2, 4 and 8 nodes, and 153 GB/s over NVLink in one node. That
// it rises and falls again follows from the copies alone: with two nodes NVLink, which forwards, is the bottleneck;
// with more, copies to the own node are fewer. One network rate of 44 GB/s explains the other two.
TEST(PerNodeCopies, ExplainDeepEpsNormalKernels) {
  constexpr double kNetwork = 44, kNvlink = 153;  // GB/s; the first from the 32 and 64 ranks, the second published
  const double published[] = {43, 58, 51};
  const std::int64_t ranks[] = {16, 32, 64};
  double predicted[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    HitOptions options;  // its benchmark takes nodes as groups, at most four of them (tests/test_internode.py)
    options.limit = {ranks[i] / 8, std::min<std::int64_t>(ranks[i] / 8, 4)};
    const ExpertHits hits = expert_hits(Routing::uniform(256, 8), contiguous_placement(256, 0, {ranks[i], 8}), options);
    const std::vector<double> one(static_cast<std::size_t>(ranks[i]), 1.0);
    const ExpertTraffic traffic = expert_traffic(hits, one, CopyRule::per_node);
    const TrafficSummary summary = summarize(traffic);
    // GB/s of a token's distinct nodes, over the slower of the two links; what a rank keeps is copied too.
    const double network = summary.network_sent.mean / kNetwork, nvlink = traffic.distinct_ranks / kNvlink;
    predicted[i] = summary.distinct_nodes / std::max(network, nvlink);
    EXPECT_NEAR(predicted[i] / published[i], 1, 0.1) << ranks[i];
  }
  EXPECT_GT(predicted[1], predicted[2]);
  EXPECT_GT(predicted[1], predicted[0]);
}

// DeepSeek's limit: 120.96 us is nine copies of 7,000 bytes three times (1 out, 2 back) for
// 32 tokens at 50 GB/s (arXiv:2505.09343 section 2.3.2); the ninth is the shared expert's.
TEST(PerExpertCopies, GiveDeepSeeksLimitOfExpertParallelism) {
  const std::vector<double> tokens(256, 32.0);
  const ExpertTraffic traffic = expert_traffic(
      expert_hits(Routing::uniform(256, 8), contiguous_placement(256, 0, {256, 1})), tokens, CopyRule::per_expert);
  const double routed = summarize(traffic).network_sent.mean * 256 / 255;  // without what stays
  EXPECT_NEAR((routed + 32) * 7000 * 3 / 50e9, 120.96e-6, 1e-9);
}

TEST(Comparison, HasFourPlacementsInOrder) {
  PlacementQuestion question;
  question.hidden = 4096;
  question.grid = {4, 2};
  question.routing = Routing::zipf(8, 2, 1.0, false);
  question.tokens = 100;
  question.optimal = {.rates = {{400e9}, {50e9}}};
  const PlacementComparison comparison = compare_placements(question);
  ASSERT_EQ(comparison.placements.size(), 4u);
  const auto& p = comparison.placements;
  EXPECT_EQ(p[0].name, "contiguous");
  EXPECT_EQ(p[3].name, "optimum");
  // Popular experts first: blocks put the two most popular together, the others do not.
  EXPECT_GT(p[0].traffic.imbalance, p[1].traffic.imbalance);
  EXPECT_LE(p[2].traffic.imbalance, p[1].traffic.imbalance + 1e-9);
  EXPECT_LE(p[3].deviation.value, p[2].deviation.value + 1e-9);
  EXPECT_LE(p[3].deviation.bound, p[3].deviation.value);
  EXPECT_FALSE(p[0].moves.has_value());
  for (const PlacementAnswer& answer : p) {
    EXPECT_NEAR(answer.traffic.local_activation, 0.25, 1e-6);
    EXPECT_NEAR(answer.traffic.network_sent.mean, answer.traffic.network_received.mean, 1e-6);
  }
}

TEST(Comparison, GroupLimitsChangeTheLoads) {
  // One popular group: with one group a token its experts are used together, and half of the tokens use none of them.
  HitOptions options;
  options.limit = {2, 1};
  const Routing routing = Routing::histogram(2, {3, 3, 3, 3, 1, 1, 1, 1});
  const std::vector<double> uses = expert_uses(routing, options);
  // The first expert opens the group: the popular one with 12 / 16, then both experts are of it, evenly.
  for (std::size_t e = 0; e < 8; ++e) {
    EXPECT_NEAR(uses[e], (e < 4 ? 0.75 : 0.25) * 2 / 4, 0.01) << e;
  }
  EXPECT_NE(uses[0], routing.inclusion()[0]);
}

}  // namespace
}  // namespace moesaic
