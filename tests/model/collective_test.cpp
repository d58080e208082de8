// Closed forms of collectives: the least bytes that any algorithm sends, and which algorithm is the fastest.
#include "model/collective.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace moesaic {
namespace {

using enum CollectiveKind;

constexpr CollectiveKind kKinds[] = {all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send_receive};
constexpr Seconds kLatency{2e-6};
constexpr BytesPerSecond kBandwidth{450e9};

TEST(WireBytes, ByKind) {
  const Bytes message{8000};
  EXPECT_EQ(wire_bytes({all_reduce, message, 8}, 1, false).scale_up.value, 2 * 7000);
  EXPECT_EQ(wire_bytes({all_reduce, message, 8}, 1, true).scale_up.value, 9000);
  EXPECT_EQ(wire_bytes({all_reduce, message, 2}, 1, true).scale_up.value, 8000);  // exchanging halves beats the switch
  EXPECT_EQ(wire_bytes({all_gather, message, 8}, 1, true).scale_up.value, 7000);
  EXPECT_EQ(wire_bytes({reduce_scatter, message, 8}, 1, false).scale_up.value, 7000);
  EXPECT_EQ(wire_bytes({all_to_all, message, 8}, 1, false).scale_up.value, 7000);
  for (const CollectiveKind kind : kKinds) {
    EXPECT_EQ(wire_bytes({kind, message, 1}, 1, false).scale_up.value, 0);
  }
}

CollectiveLinks links_of(Seconds latency, BytesPerSecond bandwidth, bool switched, bool reduces) {
  return {.latency = latency, .bandwidth = bandwidth, .switched = switched, .in_switch_reduction = reduces};
}

double seconds(const CollectiveAlgorithm& algorithm, const CollectiveLinks& links) {
  return (algorithm.latency_on(links) + algorithm.busy_on(links)).value;
}

std::string fastest(CollectiveKind kind, double bytes, int ranks, bool switched, bool reduces) {
  return fastest_algorithm({kind, Bytes{bytes}, ranks}, links_of(kLatency, kBandwidth, switched, reduces)).name;
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
  const auto reduce = fastest_algorithm({all_reduce, Bytes{800}, 8}, links_of(kLatency, kBandwidth, false, false));
  EXPECT_EQ(reduce.steps, 14);
  EXPECT_EQ(reduce.wire.value, 1400);
  const auto gather = fastest_algorithm({all_gather, Bytes{800}, 8}, links_of(kLatency, kBandwidth, false, false));
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
            const CollectiveLinks links = links_of(kLatency, kBandwidth, switched, reduces);
            const CollectiveLinks near = links_of(kLatency * 0.5, kBandwidth, switched, reduces);
            const CollectiveLinks wide = links_of(kLatency, kBandwidth * 2, switched, reduces);
            const auto algorithm = fastest_algorithm(collective, links);
            const Bytes least = wire_bytes(collective, 1, switched && reduces).scale_up;
            ASSERT_GE(algorithm.wire.value, least.value * (1 - 1e-12));
            ASSERT_GE(algorithm.steps, 1);
            const double time = seconds(algorithm, links);
            ASSERT_LE(seconds(fastest_algorithm(collective, near), near), time);
            ASSERT_LE(seconds(fastest_algorithm(collective, wide), wide), time);
            if (bytes > 1e10) {
              ASSERT_NEAR(algorithm.wire.value / least.value, 1, 1e-12) << algorithm.name;
            }
          }
        }
      }
    }
  }
}

// Two nodes of four ranks, 8000 bytes: the formulas of wire_bytes() by hand.
TEST(WireBytes, OverNodes) {
  const Bytes message{8000};
  const struct {
    CollectiveKind kind;
    double scale_up, network;
  } expected[] = {{all_reduce, 12000, 2000}, {all_gather, 6000, 1000}, {reduce_scatter, 6000, 1000},
                  {all_to_all, 3000, 4000},  {broadcast, 6000, 2000},  {send_receive, 0, 8000}};
  for (const auto& [kind, scale_up, network] : expected) {
    const WireBytes wire = wire_bytes({kind, message, 8}, 2, false);
    EXPECT_EQ(wire.scale_up.value, scale_up) << name(kind);
    EXPECT_EQ(wire.network.value, network) << name(kind);
  }
  EXPECT_EQ(wire_bytes({all_reduce, message, 8}, 2, true).scale_up.value, 10000);  // (4 + 1) / 4
}

CollectiveLinks cluster(int nodes, Seconds gap = {}) {
  CollectiveLinks links = links_of(kLatency, kBandwidth, true, false);
  links.nodes = nodes;
  links.network_latency = Seconds{5e-6};
  links.network_bandwidth = BytesPerSecond{50e9};
  links.network_gap = gap;
  return links;
}

// Neither level is ever asked for less than it must carry; more bandwidth or less latency on either is never slower.
TEST(OverNodes, NeverBeatsTheLeastBytes) {
  for (const CollectiveKind kind : kKinds) {
    for (const int nodes : {2, 3, 16, 256}) {
      for (const int node_ranks : {1, 2, 8}) {
        for (double bytes = 64; bytes < 1e12; bytes *= 9) {
          const Collective collective{kind, Bytes{bytes}, nodes * node_ranks};
          const CollectiveLinks links = cluster(nodes);
          const WireBytes least = wire_bytes(collective, nodes, false);
          for (const CollectiveAlgorithm& algorithm : collective_algorithms(collective, links)) {
            ASSERT_GE(algorithm.wire.value, least.scale_up.value * (1 - 1e-12)) << name(kind) << algorithm.name;
            ASSERT_GE(algorithm.network.value, least.network.value * (1 - 1e-12)) << name(kind) << algorithm.name;
          }
          const auto best = fastest_algorithm(collective, links);
          CollectiveLinks better = links;
          better.network_bandwidth.value *= 2;
          better.network_latency.value /= 2;
          ASSERT_LE(seconds(fastest_algorithm(collective, better), better), seconds(best, links));
          ASSERT_GE(best.network_steps, 1);
        }
      }
    }
  }
}

// Large messages are bound by the slower level alone: 1 GiB over 16 nodes of 8, all-reduce 2 x 15/16 x 1 GiB / 8 at 50
// GB/s.
TEST(OverNodes, LargeMessagesFillTheNetwork) {
  const double message = 1 << 30;
  const CollectiveLinks links = cluster(16);
  const auto reduce = fastest_algorithm({all_reduce, Bytes{message}, 128}, links);
  EXPECT_STREQ(reduce.name, "hierarchical");
  EXPECT_DOUBLE_EQ(reduce.busy_on(links).value, 2 * 15.0 / 16 * message / 8 / 50e9);
  const auto small = fastest_algorithm({all_reduce, Bytes{1024}, 128}, links);
  EXPECT_STREQ(small.name, "tree");
  EXPECT_EQ(small.network_steps, 2 * 4);  // up and down log2(16)
}

// Tutel's 2DH (2206.03382 section 3.3): an all-to-all of n messages of S/n pays for each of them; gathered in the node
// first there are n/m. With 10 us a message, 2,048 ranks in 256 nodes and 32 MiB: 2,039 x 10 us against 254 x 10 us.
TEST(OverNodes, TwoPhasesPayForFewerMessages) {
  const Collective exchange{all_to_all, Bytes{32.0 * (1 << 20)}, 2048};
  const CollectiveLinks links = cluster(256, Seconds{10e-6});
  const auto best = fastest_algorithm(exchange, links);
  EXPECT_STREQ(best.name, "two-phase");
  const auto all = collective_algorithms(exchange, links);
  EXPECT_STREQ(all[0].name, "direct");
  EXPECT_NEAR(all[0].busy_on(links).value - best.busy_on(links).value,
              (2039 - 254) * 10e-6 - exchange.bytes.value * 7 / 8 / kBandwidth.value, 1e-9);
  // Where messages cost nothing, what is gathered first only takes longer.
  EXPECT_STREQ(fastest_algorithm(exchange, cluster(256)).name, "direct");
}

}  // namespace
}  // namespace moesaic
