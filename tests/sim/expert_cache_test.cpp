// What holds for expert caches on every trace, and rates that follow from arithmetic.
#include "sim/expert_cache.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "model/hybrid_description.hpp"
#include "model/routing_locality.hpp"
#include "sim/expert_batching.hpp"
#include "sim/expert_prefetch.hpp"
#include "sim/simulated_hits.hpp"
#include "tests/model/draw.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

RoutingTrace any_trace() {
  const std::int64_t experts = 1 + up_to(11), top_k = up_to(experts);
  LocalTrace wanted;
  wanted.layers = up_to(3);
  wanted.tokens = up_to(80);
  wanted.seed = static_cast<std::uint64_t>(up_to(1000000));
  wanted.locality.repeat = any_of({0.0, 0.3, 0.9, 1.0});
  wanted.locality.document = any_of<std::int64_t>({0, 7, 20});
  wanted.locality.preference = any_of({0.0, 1.0, 3.0});
  wanted.locality.layer_copy = any_of({0.0, 0.5, 1.0});
  return local_trace(Routing::zipf(experts, top_k, any_of({0.0, 0.8, 2.0})), wanted);
}

CacheQuestion any_question(const RoutingTrace& trace) {
  CacheQuestion question;
  question.capacity = static_cast<double>(up_to(trace.experts));
  question.batch = std::min(up_to(4), trace.tokens());
  question.shared = coin();
  question.pinned_layers = up_to(static_cast<std::int64_t>(trace.layers.size())) - 1;
  question.look_ahead = up_to(20);
  question.request = any_of<std::int64_t>({0, 10});
  return question;
}

std::int64_t hits(const RoutingTrace& trace, CacheQuestion question, CachePolicy policy) {
  question.policy = policy;
  return simulate_cache(trace, question).all().hits;
}

RC_GTEST_PROP(ExpertCache, NothingBeatsTheOptimum, ()) {
  const RoutingTrace trace = any_trace();
  const CacheQuestion question = any_question(trace);
  const std::int64_t optimal = hits(trace, question, CachePolicy::optimal);
  for (int i = 0; i < kCachePolicyCount; ++i) {
    RC_ASSERT(hits(trace, question, static_cast<CachePolicy>(i)) <= optimal);
  }
}

RC_GTEST_PROP(ExpertCache, BeladyBeatsAllThatKeepWhatTheyFetched, ()) {
  const RoutingTrace trace = any_trace();
  const CacheQuestion question = any_question(trace);
  const std::int64_t belady = hits(trace, question, CachePolicy::belady);
  for (const CachePolicy policy :
       {CachePolicy::lru, CachePolicy::random, CachePolicy::arc, CachePolicy::score, CachePolicy::activation}) {
    RC_ASSERT(hits(trace, question, policy) <= belady);
  }
}

RC_GTEST_PROP(ExpertCache, MoreRoomNeverHurtsStackPolicies, ()) {
  const RoutingTrace trace = any_trace();
  CacheQuestion question = any_question(trace);
  for (const CachePolicy policy : {CachePolicy::lru, CachePolicy::fixed, CachePolicy::segment, CachePolicy::optimal}) {
    std::int64_t before = 0;
    for (std::int64_t capacity = 1; capacity <= trace.experts; ++capacity) {
      question.capacity = static_cast<double>(capacity);
      const std::int64_t now = hits(trace, question, policy);
      RC_ASSERT(now >= before);
      before = now;
    }
  }
}

// Room for all: the only misses are the first uses.
RC_GTEST_PROP(ExpertCache, RoomForAllMissesFirstUsesOnly, ()) {
  const RoutingTrace trace = any_trace();
  CacheQuestion question = any_question(trace);
  question.pinned_layers = 0;
  question.capacity = static_cast<double>(trace.experts);
  std::int64_t first = 0;
  for (const std::vector<std::int32_t>& layer : trace.layers) {
    std::vector<std::int32_t> used = layer;
    std::sort(used.begin(), used.end());
    first += std::unique(used.begin(), used.end()) - used.begin();
  }
  for (int i = 0; i < kCachePolicyCount; ++i) {
    question.policy = static_cast<CachePolicy>(i);
    const LayerHits all = simulate_cache(trace, question).all();
    RC_ASSERT(all.requests - all.hits == first);
  }
}

/// Most hits over every way of choosing what stays: by dynamic programming over the sets that can be held.
std::int64_t most_hits(const ExpertRequests& requests, int capacity) {
  std::map<unsigned, std::int64_t> best{{0U, 0}};
  for (std::size_t row = 0; row < requests.rows(); ++row) {
    unsigned wanted = 0;
    for (const std::int32_t expert : requests.row(row)) {
      wanted |= 1U << static_cast<unsigned>(expert);
    }
    std::map<unsigned, std::int64_t> after;
    for (const auto& [held, so_far] : best) {
      const std::int64_t now = so_far + __builtin_popcount(held & wanted);
      const unsigned any = held | wanted;
      for (unsigned kept = any;; kept = (kept - 1) & any) {
        if (__builtin_popcount(kept) <= capacity) {
          std::int64_t& entry = after[kept];
          entry = std::max(entry, now);
        }
        if (kept == 0) {
          break;
        }
      }
    }
    best = std::move(after);
  }
  std::int64_t most = 0;
  for (const auto& [held, count] : best) {
    most = std::max(most, count);
  }
  return most;
}

RC_GTEST_PROP(ExpertCache, TheOptimumIsThatOfAllWays, ()) {
  const std::int64_t experts = 1 + up_to(4);
  LocalTrace wanted;
  wanted.tokens = up_to(14);
  wanted.seed = static_cast<std::uint64_t>(up_to(1000000));
  const RoutingTrace trace = local_trace(Routing::uniform(experts, up_to(experts)), wanted);
  CacheQuestion question;
  question.capacity = static_cast<double>(up_to(experts));
  question.batch = std::min<std::int64_t>(up_to(2), trace.tokens());
  RC_ASSERT(hits(trace, question, CachePolicy::optimal) ==
            most_hits(layer_requests(trace, 0, question.batch), static_cast<int>(question.capacity)));
}

// Uniform top-1 choices that know nothing of each other: what is held is as good as anything else, C / E.
TEST(ExpertCache, IndependentUniformChoicesHitByShare) {
  LocalTrace wanted;
  wanted.tokens = 100000;
  const RoutingTrace trace = local_trace(Routing::uniform(6, 1), wanted);
  CacheQuestion question;
  question.warm_up = 100;
  for (const CachePolicy policy : {CachePolicy::lru, CachePolicy::random, CachePolicy::arc, CachePolicy::fixed}) {
    for (int capacity = 1; capacity < 6; ++capacity) {
      question.policy = policy;
      question.capacity = capacity;
      EXPECT_NEAR(simulate_cache(trace, question).all().rate(), capacity / 6.0, 0.006) << name(policy) << capacity;
    }
  }
}

// One expert a token, kept with chance p, else drawn of E: the token before was the same with chance p + (1 - p) / E,
// which is what a cache of one expert hits.
TEST(ExpertCache, RepeatsAreHitsOfASingleSlot) {
  LocalTrace wanted;
  wanted.tokens = 100000;
  wanted.locality.repeat = 0.4;
  const RoutingTrace trace = local_trace(Routing::uniform(10, 1), wanted);
  CacheQuestion question;
  question.capacity = 1;
  EXPECT_NEAR(simulate_cache(trace, question).all().rate(), 0.4 + 0.6 / 10, 0.006);
}

// The same experts in all layers: all layers hit alike, each from its own cache.
TEST(ExpertCache, CopiedLayersHitAlike) {
  LocalTrace wanted;
  wanted.layers = 4;
  wanted.locality.layer_copy = 1;
  const CacheResult result = simulate_cache(local_trace(Routing::zipf(16, 2, 1), wanted), {});
  for (const LayerHits& layer : result.layers) {
    EXPECT_EQ(layer.hits, result.layers.front().hits);
  }
}

TEST(ExpertCache, ColdRequestsAddUp) {
  LocalTrace wanted;
  wanted.tokens = 100;
  const RoutingTrace trace = local_trace(Routing::uniform(8, 2), wanted);
  CacheQuestion question;
  question.request = 50;
  question.cold = true;
  question.capacity = 8;  // misses are the first uses: all eight experts in each half
  const LayerHits all = simulate_cache(trace, question).all();
  EXPECT_EQ(all.requests, 200);
  EXPECT_EQ(all.requests - all.hits, 16);
}

TEST(ExpertCache, Mistakes) {
  const RoutingTrace trace = local_trace(Routing::uniform(8, 2), {});
  const auto said = [&](auto change) {
    CacheQuestion question;
    change(question);
    return user_error([&] { simulate_cache(trace, question); });
  };
  EXPECT_NE(said([](CacheQuestion& q) { q.capacity = 9; }).find("allowed are 1 to 8"), std::string::npos);
  EXPECT_NE(said([](CacheQuestion& q) { q.capacity = -1; }).find("allowed are 1 to 8"), std::string::npos);
  EXPECT_NE(said([](CacheQuestion& q) { q.batch = 5000; }).find("1 to 4096"), std::string::npos);
  EXPECT_NE(said([](CacheQuestion& q) { q.pinned_layers = 2; }).find("0 to 1"), std::string::npos);
  EXPECT_NE(said([](CacheQuestion& q) { q.warm_up = 4096; }).find("0 to 4095"), std::string::npos);
  EXPECT_NE(said([](CacheQuestion& q) { q.score_weight = 1; }).find("below 1"), std::string::npos);
}

RC_GTEST_PROP(ExpertPrefetch, PerfectIsNeverWorseThanNone, ()) {
  const RoutingTrace trace = any_trace();
  const CacheQuestion question = any_question(trace);
  Prefetch prefetch;
  const PrefetchResult none = simulate_prefetch(trace, question, prefetch);
  prefetch.accuracy = {1.0};
  prefetch.window = static_cast<double>(up_to(100)) / 10;
  const PrefetchResult perfect = simulate_prefetch(trace, question, prefetch);
  RC_ASSERT(none.in_time == 0 && none.fetched == 0);
  RC_ASSERT(perfect.hits == none.hits && perfect.in_time >= 0);
  RC_ASSERT(perfect.late() >= 0 && perfect.wasted() == 0);
  if (question.pinned_layers == 0) {
    RC_ASSERT(none.hits == simulate_cache(trace, question).all().hits);
  }
}

// All that is missing in every layer but the first is there.
TEST(ExpertPrefetch, PerfectWithoutALimitLeavesTheFirstLayerOnly) {
  LocalTrace wanted;
  wanted.layers = 4;
  const RoutingTrace trace = local_trace(Routing::uniform(32, 4), wanted);
  CacheQuestion question;
  question.capacity = 8;
  const PrefetchResult result = simulate_prefetch(trace, question, {.accuracy = {1.0}, .window = 1e9});
  const CacheResult cache = simulate_cache(trace, question);
  EXPECT_EQ(result.late(), cache.layers[0].requests - cache.layers[0].hits);
  question.pinned_layers = 1;  // fetches for the second
  EXPECT_EQ(simulate_prefetch(trace, question, {.accuracy = {1.0}, .window = 1e9}).late(), 0);
}

/// Share of the missing experts of the second of two layers that came in time.
double share_in_time(std::int64_t experts, std::int64_t top_k, const Prefetch& prefetch) {
  LocalTrace wanted;
  wanted.layers = 2;
  wanted.tokens = 20000;
  const RoutingTrace trace = local_trace(Routing::uniform(experts, top_k), wanted);
  CacheQuestion question;
  question.capacity = 1;
  const LayerHits second = simulate_cache(trace, question).layers[1];
  return static_cast<double>(simulate_prefetch(trace, question, prefetch).in_time) /
         static_cast<double>(second.requests - second.hits);
}

// One expert in 256 is held, by which guesses may be fewer than the closed form counts: 1.5% of slack for that.
TEST(ExpertPrefetch, AgreesWithItsClosedForm) {
  for (const double accuracy : {0.0, 0.5, 0.9, 1.0}) {
    for (const std::int64_t extra : {0, 4, 32}) {
      for (const double window : {2.0, 6.0, 1000.0}) {
        const double expected = expected_in_time(256, 8, accuracy, extra, window);
        EXPECT_NEAR(share_in_time(256, 8, {.accuracy = {accuracy}, .extra = extra, .window = window}), expected,
                    0.015 * expected + 0.003)
            << accuracy << " " << extra << " " << window;
      }
    }
  }
}

TEST(ExpertPrefetch, Mistakes) {
  const RoutingTrace trace = local_trace(Routing::uniform(8, 2), {});
  const auto said = [&](const Prefetch& prefetch) {
    return user_error([&] { simulate_prefetch(trace, {}, prefetch); });
  };
  EXPECT_NE(said({.accuracy = {1.2}}).find("1.2: allowed are 0 to 1"), std::string::npos);
  EXPECT_NE(said({.accuracy = {-0.1}}).find("allowed are 0 to 1"), std::string::npos);
  EXPECT_NE(said({.accuracy = {1}, .extra = 9}).find("0 to 8"), std::string::npos);
  EXPECT_NE(said({.accuracy = {1}, .window = -1}).find("0 and more"), std::string::npos);
}

// Every batch of one token needs top-k experts, whatever the order; and all tokens at once have nothing to choose.
// A wrong guess that is kept takes the slot of what is used least recently, which repeats may have hit: fewer hits, and
// the fewer the more guesses. A cache that counts uses drops what has none.
TEST(ExpertPrefetch, KeptGuessesEvict) {
  const LocalTrace wanted{.layers = 4, .tokens = 4096, .seed = 7, .locality = {.repeat = 0.7}};
  const RoutingTrace trace = local_trace(Routing::zipf(32, 4, 0.0), wanted);
  for (const CachePolicy policy : {CachePolicy::lru, CachePolicy::arc, CachePolicy::lfu}) {
    const CacheQuestion question{.policy = policy, .capacity = 8, .warm_up = 256};
    Prefetch prefetch;
    prefetch.accuracy = {0.0};
    prefetch.window = 100;
    const std::int64_t beside = simulate_prefetch(trace, question, prefetch).hits;
    prefetch.kept = true;
    const std::int64_t kept = simulate_prefetch(trace, question, prefetch).hits;
    prefetch.extra = 4;
    const std::int64_t more = simulate_prefetch(trace, question, prefetch).hits;
    if (policy == CachePolicy::lfu) {
      EXPECT_LE(kept, beside);
    } else {
      EXPECT_LT(kept, beside) << name(policy);
      EXPECT_LT(more, kept) << name(policy);
    }
  }
}

// Room for all: nothing is evicted, whoever came in; right guesses in time are no hits of the cache.
RC_GTEST_PROP(ExpertPrefetch, KeptGuessesWithRoomForAllFindWhatWasThere, ()) {
  const RoutingTrace trace = any_trace();
  CacheQuestion question;
  question.capacity = static_cast<double>(trace.experts);
  Prefetch prefetch;
  prefetch.accuracy = {1.0};
  prefetch.window = 1000;
  const PrefetchResult beside = simulate_prefetch(trace, question, prefetch);
  prefetch.kept = true;
  const PrefetchResult kept = simulate_prefetch(trace, question, prefetch);
  RC_ASSERT(kept.hits == beside.hits);
  RC_ASSERT(kept.in_time == beside.in_time);
}

// Uniform choices that know nothing of each other hit by the share of the experts that is held, whatever is evicted.
TEST(SimulatedHits, FollowFromSizeAndLocality) {
  const Architecture mixtral = read_architecture(load_model_config("Mixtral-8x7B"));
  HybridDescription placement;
  placement.name = "test";
  placement.missing = MissingExperts::fetched;
  placement.experts_on_device = 0.5;
  placement.cached.emplace();
  const double blind = simulated_hits(placement, mixtral, 1, "uniform");
  EXPECT_NEAR(blind, 0.5, 0.02);
  placement.cached->repeat = 0.6;
  EXPECT_GT(simulated_hits(placement, mixtral, 1, "uniform"), blind + 0.1);
  placement.experts_on_device = 1;
  EXPECT_DOUBLE_EQ(simulated_hits(placement, mixtral, 1, "uniform"), 1);  // after the warm-up
}

TEST(SimulatedHits, Mistakes) {
  HybridDescription placement;
  placement.name = "mine";
  placement.experts_on_device = 0.5;
  placement.cached.emplace();
  const auto said = [&](const char* model) {
    return user_error([&] { simulated_hits(placement, read_architecture(load_model_config(model)), 1, "uniform"); });
  };
  EXPECT_NE(said("Llama-3.1-8B").find("no routed experts"), std::string::npos);
  placement.cached->policy = "lrv";
  EXPECT_NE(said("Mixtral-8x7B").find("'mine': experts.cache: unknown policy 'lrv' (did you mean 'lru'?)"),
            std::string::npos);
  placement.cached->policy = "lru";
  placement.experts_on_device = 0.05;
  EXPECT_NE(said("Mixtral-8x7B").find("experts.cache: "), std::string::npos);
}

TEST(ExpertBatching, NothingToChoose) {
  LocalTrace wanted;
  wanted.layers = 2;
  wanted.tokens = 64;
  const RoutingTrace trace = local_trace(Routing::uniform(16, 2), wanted);
  for (const double distinct : distinct_experts(trace, {1, 8, 16})) {
    EXPECT_DOUBLE_EQ(distinct, 2);
  }
  const auto all = distinct_experts(trace, {64, 64, 16});
  EXPECT_DOUBLE_EQ(*std::max_element(all.begin(), all.end()), *std::min_element(all.begin(), all.end()));
}

// Independent uniform choices: E (1 - (1 - 1/E)^n) as they come; choosing among many waits needs fewer.
TEST(ExpertBatching, ChoosingNeedsFewer) {
  LocalTrace wanted;
  wanted.tokens = 20000;
  const auto distinct = distinct_experts(local_trace(Routing::uniform(16, 1), wanted), {8, 64, 100});
  const double as_they_come = 16 * (1 - std::pow(15.0 / 16, 8));
  EXPECT_NEAR(distinct[0], as_they_come, 0.05);
  EXPECT_NEAR(distinct[1], as_they_come, 0.05);
  EXPECT_LT(distinct[2], as_they_come / 2);
  EXPECT_LT(distinct[3], as_they_come / 2);
}

}  // namespace
}  // namespace moesaic
