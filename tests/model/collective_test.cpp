// Closed forms of collectives: the least bytes that any algorithm sends, and which algorithm is the fastest.
#include "model/collective.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace moesaic {
namespace {

using enum CollectiveKind;

constexpr CollectiveKind kKinds[] = {all_reduce, all_gather, reduce_scatter, all_to_all};
constexpr Seconds kLatency{2e-6};
constexpr BytesPerSecond kBandwidth{450e9};

TEST(WireBytes, ByKind) {
  const Bytes message{8000};
  EXPECT_EQ(wire_bytes({all_reduce, message, 8}, false).value, 2 * 7000);
  EXPECT_EQ(wire_bytes({all_reduce, message, 8}, true).value, 9000);
  EXPECT_EQ(wire_bytes({all_reduce, message, 2}, true).value, 8000);  // exchanging halves beats the switch
  EXPECT_EQ(wire_bytes({all_gather, message, 8}, true).value, 7000);
  EXPECT_EQ(wire_bytes({reduce_scatter, message, 8}, false).value, 7000);
  EXPECT_EQ(wire_bytes({all_to_all, message, 8}, false).value, 7000);
  for (const CollectiveKind kind : kKinds) {
    EXPECT_EQ(wire_bytes({kind, message, 1}, false).value, 0);
  }
}

double seconds(const CollectiveAlgorithm& algorithm, Seconds latency, BytesPerSecond bandwidth) {
  return (latency * algorithm.steps + algorithm.wire / bandwidth).value;
}

std::string fastest(CollectiveKind kind, double bytes, int ranks, bool switched, bool reduces) {
  return fastest_algorithm({kind, Bytes{bytes}, ranks}, kLatency, kBandwidth, switched, reduces).name;
}

TEST(FastestAlgorithm, DependsOnTheMessage) {
  EXPECT_EQ(fastest(all_reduce, 1e3, 8, true, false), "one-shot");
  EXPECT_EQ(fastest(all_reduce, 1e9, 8, true, false), "two-shot");
  EXPECT_EQ(fastest(all_reduce, 1e9, 8, true, true), "in-switch");
  EXPECT_EQ(fastest(all_reduce, 1e9, 8, false, true), "ring");
  EXPECT_EQ(fastest(all_gather, 1e9, 8, true, true), "direct");
  EXPECT_EQ(fastest(all_gather, 1e9, 8, false, false), "ring");
  EXPECT_EQ(fastest(all_to_all, 1e9, 8, false, false), "direct");
  // One-shot sends 7 messages in one step, two-shot 7/4 in two: equal where latency = 5.25 S / bandwidth.
  const double even = kLatency.value * kBandwidth.value / 5.25;
  EXPECT_EQ(fastest(all_reduce, even * 0.999, 8, true, false), "one-shot");
  EXPECT_EQ(fastest(all_reduce, even * 1.001, 8, true, false), "two-shot");
}

TEST(FastestAlgorithm, StepsOfARing) {
  const auto reduce = fastest_algorithm({all_reduce, Bytes{800}, 8}, kLatency, kBandwidth, false, false);
  EXPECT_EQ(reduce.steps, 14);
  EXPECT_EQ(reduce.wire.value, 1400);
  const auto gather = fastest_algorithm({all_gather, Bytes{800}, 8}, kLatency, kBandwidth, false, false);
  EXPECT_EQ(gather.steps, 7);
  EXPECT_EQ(gather.wire.value, 700);
}

// No algorithm sends less than wire_bytes() says, so time at the link's peak bounds every one; the bound is reached by
// large messages. And more bandwidth or less latency is never slower.
TEST(FastestAlgorithm, NeverBeatsTheLeastBytes) {
  for (const CollectiveKind kind : kKinds) {
    for (const int ranks : {2, 3, 4, 8, 72}) {
      for (double bytes = 64; bytes < 1e12; bytes *= 3) {
        for (const bool switched : {false, true}) {
          for (const bool reduces : {false, true}) {
            const Collective collective{kind, Bytes{bytes}, ranks};
            const auto algorithm = fastest_algorithm(collective, kLatency, kBandwidth, switched, reduces);
            const Bytes least = wire_bytes(collective, switched && reduces);
            ASSERT_GE(algorithm.wire.value, least.value * (1 - 1e-12));
            ASSERT_GE(algorithm.steps, 1);
            const double time = seconds(algorithm, kLatency, kBandwidth);
            const auto nearer = fastest_algorithm(collective, kLatency * 0.5, kBandwidth, switched, reduces);
            const auto wider = fastest_algorithm(collective, kLatency, kBandwidth * 2, switched, reduces);
            ASSERT_LE(seconds(nearer, kLatency * 0.5, kBandwidth), time);
            ASSERT_LE(seconds(wider, kLatency, kBandwidth * 2), time);
            if (bytes > 1e10) {
              ASSERT_NEAR(algorithm.wire.value / least.value, 1, 1e-12) << algorithm.name;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace moesaic
