// closed form, property and agreement: the steady state of a stream against sums by hand, MoE-Lens's equations and a
// serving run of the same requests.
#include "sim/request_stream.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "model/hybrid_description.hpp"
#include "model/offload/moe_lens.hpp"
#include "sim/admission.hpp"
#include "sim/serving_figures.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr const char* kModel = "Mixtral-8x7B-v0.1";
constexpr const char* kMachine = "xeon-8380-a40";

Deployment lens(const CostModelPointer& cost = default_cost_model()) {
  return deployment(kModel, kMachine, {}, "moe-lens", cost);
}

// A cache in blocks, by its definition: sum over the passes of ceil((p + j) / b) b.
RC_GTEST_PROP(RequestStream, CacheInWholeBlocks, ()) {
  const RequestStream stream{.prompt = *rc::gen::inRange<std::int64_t>(1, 400),
                             .generated = *rc::gen::inRange<std::int64_t>(1, 400),
                             .block = *rc::gen::inRange<std::int64_t>(1, 100)};
  std::int64_t sum = 0;
  for (std::int64_t j = 0; j < stream.generated; ++j) {
    sum += (stream.prompt + j + stream.block - 1) / stream.block * stream.block;
  }
  RC_ASSERT(std::abs(mean_cached(stream) * static_cast<double>(stream.generated) - static_cast<double>(sum)) < 1e-6);
}

// As many requests in a closed loop whose ages are spread evenly: the same steady state, request by request. The ages
// are drawn, so that passes differ: 5,000 requests of 32 ages have 2% in the mean of one age's number.
TEST(RequestStream, IsTheSteadyStateOfAServingRun) {
  struct Case {
    std::int64_t running, prompt, generated;
  };
  for (const Case& each : {Case{4000, 98, 32}, Case{700, 400, 100}, Case{20, 98, 64}}) {
    const Deployment replica = lens();
    const ServingSystem system = serving_system(replica, 1000, 20000);
    const RequestLoad requests{.input = parse_lengths("--input", std::to_string(each.prompt)),
                               .output = parse_lengths("--output", std::to_string(each.generated))};
    const ServingLoad load{.requests = requests,
                           .rules = {.batch = each.running, .step_tokens = 20000},
                           .count = 4 * each.running,
                           .warm_up = each.running};
    const double served = serving_figures(serve(load, system)).output_tokens.value;
    const StreamPrediction stream =
        predict_stream(replica, {.prompt = each.prompt, .generated = each.generated, .running = each.running});
    EXPECT_NEAR(stream.output_tokens.value / served, 1, 0.02) << each.running;
  }
}

// Where only the link counts, equation 4 of MoE-Lens holds: total tokens a second are PME M / delta. Its PME sums a
// sequence's cache over g + 1 passes (j = 0..g), a stream's over g, as the pass with the prompt gives the first token:
// sums of p + j, whose ratio is known. Copies at the start of a pass have nothing to hide behind: one layer of 32.
TEST(RequestStream, WithoutLimitOfArithmeticIsEquation4) {
  Deployment replica = lens(roofline_cost_model());
  Machine machine = replica.plan.machine();
  for (Unit& unit : machine.device.units) {
    for (FlopsPerSecond& peak : unit.peak) {
      peak *= 1e4;
    }
  }
  machine.device.memory.bandwidth *= 1e4;
  machine.host->memory.bandwidth *= 1e4;
  machine.host->memory.capacity = Bytes{1e12};
  const StepPlan& shipped = replica.plan;
  replica.plan = StepPlan(shipped.architecture(), shipped.precision(), machine, {}, make_placement("moe-lens"));
  constexpr Bytes kCache{70e9};
  constexpr double kTokenBytes = 131072;  // 2 x 32 layers x 8 heads x 128 x 2 bytes
  const Bytes streamed{92.9e9};           // all but the embedding tables: 46.7e9 x 2 less 2 x 32000 x 4096 x 2
  for (const double generated : {32.0, 64.0, 256.0}) {
    constexpr double kPrompt = 98;
    const StreamPrediction stream =
        predict_stream(replica, {.prompt = 98, .generated = static_cast<std::int64_t>(generated), .cache = kCache});
    EXPECT_EQ(stream.bound, StreamBound::cache);
    const Seconds delta = moe_lens::streaming_time(streamed, machine.device.host_link->bandwidth);
    const double theirs = moe_lens::most_tokens(moe_lens::memory_efficiency(kPrompt, generated),
                                                kCache.value / kTokenBytes, delta, PerSecond{1e12})
                              .value;
    const double passes = moe_lens::kv_token_passes(kPrompt, generated, 1) /
                          (moe_lens::kv_token_passes(kPrompt, generated, 1) - kPrompt - generated);
    EXPECT_NEAR(stream.total_tokens.value / (theirs * passes), 1, 0.04) << generated;
    EXPECT_LT(stream.total_tokens.value, theirs * passes) << generated;
  }
}

// q requests enter each pass, a batch of K has K / q + g - 1 passes; one that is endless is the steady state.
TEST(RequestStream, BatchHasItsFirstAndLastPasses) {
  const Deployment replica = lens();
  RequestStream stream{.prompt = 98, .generated = 32, .running = 3200, .requests = 32000};
  const StreamPrediction batch = predict_stream(replica, stream);
  EXPECT_DOUBLE_EQ(batch.entering, 100);
  EXPECT_DOUBLE_EQ(batch.batch->passes, 320 + 31);
  EXPECT_LT(batch.batch->output_tokens, batch.output_tokens);
  EXPECT_LE(batch.batch->total, batch.pass.seconds * 351);
  EXPECT_GE(batch.batch->total, batch.pass.seconds * (351 - 62));
  stream.requests = 3'200'000'000;
  EXPECT_NEAR(predict_stream(replica, stream).batch->output_tokens / batch.output_tokens, 1, 1e-4);
}

// A request of one token is its prompt.
TEST(RequestStream, OneTokenNeedsNoDecodes) {
  const StreamPrediction stream =
      predict_stream(lens(), {.prompt = 98, .generated = 1, .running = 100, .requests = 1000});
  EXPECT_DOUBLE_EQ(stream.decoded_tokens, 0);
  EXPECT_DOUBLE_EQ(stream.entering, 100);
  EXPECT_DOUBLE_EQ(stream.batch->passes, 10);
  EXPECT_NEAR(stream.batch->total / (stream.pass.seconds * 10), 1, 1e-12);
}

RC_GTEST_PROP(RequestStream, MoreCacheNeverRunsFewerAndNeverBeatsTheLimit, ()) {
  static const Deployment replica = lens();
  const std::int64_t prompt = *rc::gen::inRange<std::int64_t>(1, 2000);
  const std::int64_t generated = *rc::gen::inRange<std::int64_t>(1, 500);
  const double small = *rc::gen::inRange(2, 40), large = small + *rc::gen::inRange(0, 40);
  const auto at = [&](double gigabytes) {
    return predict_stream(replica, {.prompt = prompt, .generated = generated, .cache = Bytes{gigabytes * 1e9}});
  };
  const StreamPrediction less = at(small), more = at(large);
  RC_ASSERT(more.running >= less.running);
  RC_ASSERT(less.cache <= Bytes{small * 1e9});
  RC_ASSERT(less.memory.fits());
  RC_ASSERT(less.pass.seconds >= less.pass.limit.seconds * (1 - 1e-9));
}

TEST(RequestStream, SaysWhatBindsIt) {
  const Deployment replica = lens();
  EXPECT_EQ(predict_stream(replica, {.prompt = 98, .generated = 32, .pass_tokens = 4000}).bound,
            StreamBound::pass_tokens);
  EXPECT_EQ(predict_stream(replica, {.prompt = 98, .generated = 32, .running = 10}).bound, StreamBound::asked);
  EXPECT_EQ(predict_stream(replica, {.prompt = 98, .generated = 2048}).bound, StreamBound::host_memory);
  const Deployment resident = deployment("Qwen3-30B-A3B", "dgx-h100");
  EXPECT_EQ(predict_stream(resident, {.prompt = 98, .generated = 512}).bound, StreamBound::device_memory);
}

TEST(RequestStream, MistakesAreOneClearLine) {
  const Deployment replica = lens();
  const auto message = [&](const RequestStream& stream) {
    return user_error([&] { predict_stream(replica, stream); });
  };
  EXPECT_NE(message({.running = 100'000'000}).find("--running: 100000000 requests do not fit: the host's memory"),
            std::string::npos);
  EXPECT_NE(
      message({.prompt = 98, .generated = 32, .running = 3200, .requests = 100}).find("--requests: 100 are fewer"),
      std::string::npos);
  EXPECT_EQ(message({.prompt = 0}), "--input: 0 is not a whole number from 1 to 268435456");
  EXPECT_NE(message({.prompt = 1'000'000, .cache = Bytes{1e9}}).find("not even one request"), std::string::npos);
  const Deployment stages = deployment(kModel, "dgx-h100", {.tensor = 2, .pipeline = 4});
  EXPECT_NE(user_error([&] { predict_stream(stages, {}); }).find("pp=1"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
