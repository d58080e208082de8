// Traces with locality: measures by hand, and generators that hit what they are asked for.
#include "model/local_routing.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "model/routing_locality.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

// Two experts, segments of two: 00, 01, 11 of tokens 0 0 1 1. Counts of expert and segment: 2 and 0, 1 and 1, 0 and 2.
// Predicted where used twice: 4 of 6 uses, all matched, F1 = 2 x 4 / (4 + 6) = 0.8; where once: 6 of 8, F1 = 12 / 14.
TEST(LocalRouting, SegmentsByHand) {
  const RoutingTrace trace{2, 1, {{0, 0, 1, 1}}, ""};
  const SegmentRouting routing = segment_routing(trace, 2);
  EXPECT_DOUBLE_EQ(routing.performance, 12.0 / 14);
  EXPECT_DOUBLE_EQ(routing.size_ratio, 8.0 / 6);
  EXPECT_DOUBLE_EQ(segment_routing(trace, 2, 2).performance, 1);  // documents 0 0 and 1 1
  EXPECT_DOUBLE_EQ(segment_routing(trace, 1).performance, 1);
}

TEST(LocalRouting, SharesAndDistancesByHand) {
  const RoutingLocality locality = routing_locality({3, 1, {{0, 0, 1, 0}}, ""});
  EXPECT_DOUBLE_EQ(locality.repeat, 1.0 / 3);
  EXPECT_DOUBLE_EQ(locality.temporal_distance, (1 + 2) / 2.0);
  const double mean = 1.0 / 3;
  EXPECT_DOUBLE_EQ(locality.load_deviation,
                   std::sqrt((std::pow(0.75 - mean, 2) + std::pow(0.25 - mean, 2) + mean * mean) / 3));
}

TEST(LocalRouting, TracesAreValidAndOfTheirSeed) {
  LocalTrace wanted;
  wanted.layers = 3;
  wanted.locality = {.repeat = 0.5, .preference = 2, .document = 100, .layer_copy = 0.3};
  const Routing routing = Routing::zipf(20, 4, 1);
  const RoutingTrace trace = local_trace(routing, wanted);
  check_trace(trace);
  EXPECT_EQ(trace.layers, local_trace(routing, wanted).layers);
  wanted.seed = 2;
  EXPECT_NE(trace.layers, local_trace(routing, wanted).layers);
}

TEST(LocalRouting, AllKeptRepeatsForEver) {
  LocalTrace wanted;
  wanted.locality.repeat = 1;
  EXPECT_DOUBLE_EQ(routing_locality(local_trace(Routing::uniform(16, 3), wanted)).repeat, 1);
  EXPECT_DOUBLE_EQ(segment_routing(local_trace(Routing::uniform(16, 3), wanted), 16).performance, 1);
}

TEST(LocalRouting, WithoutLocalityUsesFollowTheRouting) {
  LocalTrace wanted;
  wanted.tokens = 200000;
  const Routing routing = routing_of_deviation(16, 2, 0.06);
  EXPECT_NEAR(routing_locality(local_trace(routing, wanted)).load_deviation, 0.06, 0.002);
}

TEST(LocalRouting, HitsThePerformanceItIsAskedFor) {
  for (const std::int64_t document : {0, 512}) {
    LocalTrace wanted;
    wanted.layers = 2;
    wanted.tokens = 16384;
    wanted.locality.document = document;
    const Routing routing = routing_of_deviation(64, 8, 0.04);
    wanted.locality = locality_of(0.5, 16, routing, wanted);
    EXPECT_NEAR(segment_routing(local_trace(routing, wanted), 16, document).performance, 0.5, 0.01) << document;
  }
}

TEST(LocalRouting, Mistakes) {
  const Routing routing = Routing::uniform(8, 2);
  EXPECT_NE(user_error([&] { locality_of(0.1, 16, routing, {}); }).find("can be had"), std::string::npos);
  EXPECT_NE(user_error([&] { local_trace(routing, {.locality = {.repeat = 1.2}}); }).find("0 to 1"), std::string::npos);
  EXPECT_NE(user_error([&] { routing_of_deviation(8, 2, 0.5); }).find("0.4330"), std::string::npos);
  EXPECT_NE(user_error([&] { segment_routing(local_trace(routing, {}), 0); }).find("1 to 4096"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
