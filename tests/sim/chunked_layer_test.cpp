// MoE layers in chunks: bounds, and FSMoE's closed forms beside the operations one by one.
#include "sim/chunked_layer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>

#include "sim/chunked_layer_sweep.hpp"
#include "tests/sim/rounding.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

using Policy = OverlapPolicy;

constexpr int kMost = 8;

MoeLayerTimes layer(double exchange, double gather, double scatter, double experts, double attention,
                    double gradients) {
  return {.all_to_all = {{}, {exchange}},
          .all_gather = {{}, {gather}},
          .reduce_scatter = {{}, {scatter}},
          .experts = {{}, {experts}},
          .attention = {attention},
          .gradients = {{}, {gradients}},
          .backward = 2};
}

double drawn(int most) { return *rc::gen::inRange(0, most + 1); }

MoeLayerTimes random_layer() {
  MoeLayerTimes result;
  for (ChunkedTime* time :
       {&result.all_to_all, &result.all_gather, &result.reduce_scatter, &result.experts, &result.gradients}) {
    *time = {{drawn(3)}, {drawn(40)}};
  }
  result.attention = {drawn(20)};
  return result;
}

Seconds sum(const MoeLayerTimes& of, bool backward, int chunks) {
  const double scale = backward ? of.backward : 1;
  const Seconds chunk = 2.0 * of.all_to_all.of(chunks) + of.all_gather.of(chunks) + of.reduce_scatter.of(chunks) +
                        scale * of.experts.of(chunks);
  return static_cast<double>(chunks) * chunk + scale * of.attention + (backward ? of.gradients.of(1) : Seconds{});
}

// Two chunks by hand: exchanges 2 s each way a chunk, gather and scatter 1 s, experts 3 s, attention 1 s. Dispatched at
// 3 and 5, gathered at 4 and 6, computed at 7 and 10, reduced at 8 and 11, back at 10 and 13.
TEST(Overlap, ByHand) {
  const MoeLayerTimes of = layer(4, 2, 2, 6, 1, 0);
  EXPECT_DOUBLE_EQ(run_overlap(of, Policy::fsmoe, false, 2).total.value, 13);
  // On one queue: dispatch and gather 1 to 4 and 4 to 7, computed at 7 and 10, back 7 to 10 and 10 to 13.
  EXPECT_DOUBLE_EQ(run_overlap(of, Policy::tutel, false, 2).total.value, 13);
  EXPECT_DOUBLE_EQ(run_overlap(of, Policy::sequential, false, 2).total.value, 19);
}

// The whole layer's gradients find a pause of 6 s between dispatch (2 s) and combine (from 8 s).
TEST(Overlap, GradientsFillPauses) {
  const MoeLayerTimes of = layer(2, 1, 1, 2, 3, 6);
  EXPECT_DOUBLE_EQ(run_overlap(of, Policy::fsmoe, true, 1).total.value, 10 + 6);
  EXPECT_DOUBLE_EQ(run_overlap(of, Policy::tutel_improved, true, 1).total.value, 10 + 6);
  EXPECT_DOUBLE_EQ(run_overlap(of, Policy::tutel, true, 1).total.value, 10 + 6 + 6);
  // 4 s are left beyond the pause; attention hides them.
  EXPECT_DOUBLE_EQ(run_overlap(layer(2, 1, 1, 2, 3, 10), Policy::fsmoe, true, 1).total.value, 10 + 6);
}

// Property: no policy beats its busiest queue or is slower than everything one after another.
RC_GTEST_PROP(OverlapProperty, StaysWithinItsBounds, ()) {
  const MoeLayerTimes of = random_layer();
  const int chunks = *rc::gen::inRange(1, kMost + 1);
  for (int i = 0; i < kOverlapPolicyCount; ++i) {
    const auto policy = static_cast<Policy>(i);
    const int used = policy == Policy::sequential ? 1 : chunks;
    for (const bool backward : {false, true}) {
      const OverlapTimes times = run_overlap(of, policy, backward, chunks);
      std::array<Seconds, 3> free{}, busy{};
      for (const OverlapSpan& span : times.spans) {
        const auto queue = static_cast<std::size_t>(span.queue);
        if (span.what != OverlapSpan::What::attention) {
          RC_ASSERT(span.start.value >= free[queue].value - kRounding);
        }
        free[queue] = std::max(free[queue], span.end);
        busy[queue] += span.end - span.start;
      }
      for (const Seconds each : busy) {
        RC_ASSERT(times.total.value >= each.value - kRounding);
      }
      // Gradients in two parts start twice.
      RC_ASSERT(times.total.value <= (sum(of, backward, used) + of.gradients.start).value + kRounding);
    }
  }
}

// Property: each policy may do all that the one before it may.
RC_GTEST_PROP(OverlapProperty, FreerPoliciesAreNeverSlower, ()) {
  MoeLayerTimes of = random_layer();
  of.gradients.start = {};  // which a second part would pay again
  for (int i = 1; i < kOverlapPolicyCount; ++i) {
    RC_ASSERT(best_overlap(of, static_cast<Policy>(i), kMost).total().value <=
              best_overlap(of, static_cast<Policy>(i - 1), kMost).total().value + kRounding);
  }
}

// Agreement with 2501.10714, section 4, where a gather takes as long as a scatter, as its conditions assume. Case 3
// leaves exchanges idle for a gather and a scatter, although a chunk may be ready to be sent back then.
RC_GTEST_PROP(OverlapProperty, FsmoeFormula, ()) {
  MoeLayerTimes of = random_layer();
  of.attention = of.gradients.start = {};
  of.reduce_scatter = of.all_gather;
  const int chunks = *rc::gen::inRange(1, kMost + 1);
  const FsmoeFormula formula = fsmoe_formula(of, true, chunks, of.gradients.rest);
  const double found = run_overlap(of, Policy::fsmoe, true, chunks).total.value;
  RC_TAG(formula.bound);
  RC_ASSERT(found <= formula.seconds.value + kRounding);
  if (formula.bound == 3) {
    RC_ASSERT(found >=
              formula.seconds.value - (of.all_gather.of(chunks) + of.reduce_scatter.of(chunks)).value - kRounding);
  } else {
    RC_ASSERT(found >= formula.seconds.value - kRounding);
  }
}

// Closed form: exchanges alone take as long in any number of chunks, whatever a sum of r parts is rounded to.
TEST(Overlap, ChunksThatGainNothingAreNotTaken) {
  for (const double exchange : {1e-3, 3e-3, 7e-3}) {
    for (int i = 0; i < kOverlapPolicyCount; ++i) {
      const OverlapChoice choice = best_overlap(layer(exchange, 0, 0, 0, 0, 0), static_cast<Policy>(i), 2 * kMost);
      EXPECT_EQ(choice.forward.chunks, 1);
      EXPECT_EQ(choice.backward.chunks, 1);
    }
  }
}

TEST(Overlap, KnowsItsPolicies) {
  EXPECT_EQ(parse_overlap_policy("--policy", "no-iio"), Policy::no_iio);
  EXPECT_EQ(user_error([] { return parse_overlap_policy("--baseline", "fsmo"); }),
            "--baseline: unknown policy 'fsmo' (did you mean 'fsmoe'?)");
}

// Closed form: 3 x 3 x 3 x 3 x 3 x 3 x 2 = 1458 layers of 2501.10714, table 4.
TEST(OverlapSweep, CoversTheGrid) {
  OverlapFits fits;
  fits.experts = fits.attention = {{1e-5}, {2e-14}};
  fits.all_to_all = fits.all_gather = fits.reduce_scatter = fits.all_reduce = {{1e-4}, {2e-10}};
  OverlapGrid grid{2, {1, 2, 4}, {8, 16, 32}, {512, 1024, 2048}, {1024, 2048, 4096}, {2, 3, 4}, {1.2, 2.4, 0}, {2, 3}};
  const OverlapSweep sweep = sweep_overlap(fits, grid, Policy::tutel, kMost);
  EXPECT_EQ(sweep.layers, 1458U);
  EXPECT_EQ(grid.layers(), 1458U);
  EXPECT_DOUBLE_EQ(sweep.gains[static_cast<std::size_t>(Policy::tutel)].mean, 1);
  EXPECT_GT(sweep.gains[static_cast<std::size_t>(Policy::fsmoe)].least, 1);
  EXPECT_LT(sweep.gains[static_cast<std::size_t>(Policy::sequential)].most, 1 + kRounding);
}

}  // namespace
}  // namespace moesaic
