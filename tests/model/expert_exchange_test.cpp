// Rows of an exchange of experts by the way they travel.
#include "model/expert_exchange.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "model/routing.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

MoeFeedForward deepseek(std::int64_t groups = 0, std::int64_t node_limit = 0) {
  MoeFeedForward moe;
  moe.experts = 256;
  moe.experts_per_token = 8;
  moe.groups = groups;
  moe.node_limit = node_limit;
  return moe;
}

ExchangeLoads loads(const MoeFeedForward& moe, const ExchangeRanks& ranks, const Routing& routing) {
  return exchange_loads(moe, routing, ranks);
}

// 64 ranks in 8 nodes: per expert 8 copies, 56/64 of them out of the node and 7/64 to its other ranks.
TEST(ExchangeLoads, LowLatencySendsACopyForEachExpert) {
  const ExchangeLoad load = load_of(loads(deepseek(), {64, 1, 8}, Routing::uniform(256, 8)), ExchangeKind::low_latency);
  EXPECT_NEAR(load.mean.network, 8 * 56.0 / 64, 1e-9);
  EXPECT_NEAR(load.mean.scale_up, 8 * 7.0 / 64, 1e-9);
  EXPECT_NEAR(load.busiest.network, load.mean.network, 1e-9);
}

// Normal kernels: a copy for each of the D distinct nodes, 7/8 of them others; D = 8 (1 - C(224, 8) / C(256, 8)). With
// at most 4 of 8 groups it is at most 4. Every distinct rank gets one inside, unless it is the one that received it.
TEST(ExchangeLoads, NormalSendsACopyForEachNode) {
  const Routing routing = Routing::uniform(256, 8);
  const ExchangeLoad free = load_of(loads(deepseek(), {64, 1, 8}, routing), ExchangeKind::normal);
  EXPECT_NEAR(free.mean.network, distinct_blocks(256, 8, 8) * 7 / 8, 1e-9);
  EXPECT_NEAR(free.mean.scale_up, distinct_blocks(256, 8, 64) * 7 / 8, 0.02 * free.mean.scale_up);
  const ExchangeLoad limited = load_of(loads(deepseek(8, 4), {64, 1, 8}, routing), ExchangeKind::normal);
  EXPECT_LE(limited.mean.network, 4 * 7.0 / 8 + 1e-9);
  EXPECT_GT(limited.mean.network, 3.9 * 7 / 8);
  EXPECT_LT(limited.mean.network, free.mean.network);
}

// Every expert cut over two ranks: its rows go to both, the node's one copy does not.
TEST(ExchangeLoads, SlicesTakeEveryRow) {
  const Routing routing = Routing::uniform(256, 8);
  const ExchangeLoads whole = loads(deepseek(), {32, 1, 4}, routing), cut = loads(deepseek(), {32, 2, 8}, routing);
  EXPECT_NEAR(load_of(cut, ExchangeKind::low_latency).mean.network,
              2 * load_of(whole, ExchangeKind::low_latency).mean.network, 1e-9);
  EXPECT_NEAR(load_of(cut, ExchangeKind::normal).mean.network, load_of(whole, ExchangeKind::normal).mean.network, 1e-9);
}

TEST(ExchangeLoads, PopularExpertsLoadTheirRanks) {
  const ExchangeLoads skewed = loads(deepseek(), {64, 1, 8}, Routing::zipf(256, 8, 1.0));
  for (const ExchangeKind kind : {ExchangeKind::normal, ExchangeKind::low_latency, ExchangeKind::all_to_all}) {
    const ExchangeLoad load = load_of(skewed, kind);
    EXPECT_GE(load.busiest.network, load.mean.network);
    EXPECT_GT(load.busiest.scale_up + load.busiest.network, 1.02 * (load.mean.scale_up + load.mean.network))
        << name(kind);
  }
}

TEST(ExchangeKindName, RoundTripAndMistakes) {
  for (const ExchangeKind kind :
       {ExchangeKind::automatic, ExchangeKind::normal, ExchangeKind::low_latency, ExchangeKind::all_to_all}) {
    EXPECT_EQ(parse_exchange(name(kind)), kind);
  }
  EXPECT_NE(user_error([] { return parse_exchange("low-latncy"); }).find("did you mean 'low-latency'"),
            std::string::npos);
}

}  // namespace
}  // namespace moesaic
