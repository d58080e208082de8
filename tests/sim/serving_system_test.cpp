// agreement: a serving run's steps and memory are those of predict().
#include "sim/serving_system.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/admission.hpp"
#include "sim/serving_figures.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

struct Replica {
  const char* model;
  const char* machine;
  Mapping mapping;
  const char* placement = "resident";
};

const std::vector<Replica>& replicas() {
  static const std::vector<Replica> kReplicas = {
      {"Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 4}},
      {"Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 2, .pipeline = 4}},
      {"DeepSeek-V3", "dgx-h200", {.tensor = 1, .data = 8, .expert = 8}},
      {"gpt-oss-120b", "dgx-h100", {.tensor = 8}},
      {"Qwen3-Next", "dgx-h100", {.tensor = 4}},
      {"Mixtral-8x7B-v0.1", "xeon-8380-a40", {}, "streamed"},  // no chain: copies beside kernels
  };
  return kReplicas;
}

Deployment deployed(const Replica& replica) {
  return deployment(replica.model, replica.machine, replica.mapping, replica.placement,
                    load_cost_model("measured", read_machine(load_machine_config(replica.machine))));
}

// The second token of every request: one decode step behind the prompt.
TEST(ServingSystem, DecodeStepsAreThoseOfPredict) {
  for (const Replica& replica : replicas()) {
    const Deployment on = deployed(replica);
    const ServingSystem system = serving_system(on, 1024, 8192);
    for (const std::int64_t batch : {1, 24, 100}) {
      const Prediction expected = predict(on, {.batch = batch, .input = 1024, .output = 2});
      const Seconds step = system.step(Batch::decode(static_cast<double>(batch), 1024));
      EXPECT_NEAR(step / expected.tpot, 1, 1e-9) << replica.model << ' ' << to_text(replica.mapping) << ' ' << batch;
    }
  }
}

TEST(ServingSystem, PromptStepsAreThoseOfPredict) {
  for (const Replica& replica : replicas()) {
    if (replica.mapping.pipeline > 1) {
      continue;  // there predict() lets steps follow each other through the stages
    }
    const Deployment on = deployed(replica);
    const double prompts = replica.mapping.data;
    const Prediction expected =
        predict(on, {.batch = replica.mapping.data, .input = 3000, .output = 2, .step_tokens = 8192});
    const ServingSystem system = serving_system(on, 3000, 8192);
    EXPECT_NEAR(system.step(Batch::prefill(prompts, 3000)) / expected.ttft, 1, 1e-9) << replica.model;
  }
}

// A pipeline's prompts are no faster than their work on its slowest stage, no slower than stage after stage.
TEST(ServingSystem, PromptsGoThroughStagesInParts) {
  const Deployment on = deployed(replicas()[1]);
  const ServingSystem system = serving_system(on, 4096, 8192);
  const Prediction alone = predict(on, {.batch = 1, .input = 4096, .output = 2});  // in one step, stage after stage
  const Seconds parts = system.step(Batch::prefill(1, 4096));
  EXPECT_LT(parts, alone.ttft);
  EXPECT_GT(parts, alone.ttft / 4);
  EXPECT_GE(system.step({{{16, 1, 1000}, {1, 4096, 0}}}), parts);
}

TEST(ServingSystem, MemoryIsThatOfPredict) {
  for (const Replica& replica : replicas()) {
    const Deployment on = deployed(replica);
    const ServingSystem system = serving_system(on, 1024, 8192);
    const std::int64_t most = most_requests(system, 1024 + 256);
    const Load load{.batch = 1, .input = 1024, .output = 256};
    EXPECT_EQ(static_cast<double>(most), fit_advice(on, load).largest_batch) << replica.model;
    EXPECT_TRUE(system.fits(static_cast<double>(most), 1280));
    EXPECT_FALSE(system.fits(static_cast<double>(most) + 1, 1280));
  }
}

TEST(ServingSystem, KnowsTheModel) {
  const ServingSystem windowed = serving_system(deployed(replicas()[3]), 1024, 8192);
  ASSERT_EQ(windowed.windows.size(), 1U);
  EXPECT_EQ(windowed.windows[0].tokens, 128);
  EXPECT_FALSE(windowed.windows[0].repeats);
  EXPECT_EQ(serving_system(deployed(replicas()[0]), 1024, 8192).most_context, 32768);
  EXPECT_EQ(serving_system(deployed(replicas()[2]), 1024, 8192).groups, 8);
}

// The fast way and step by step on machines with measured kernels, windows, data-parallel attention and stages.
TEST(ServingSystem, JumpsAreStepByStep) {
  for (const Replica& replica : replicas()) {
    const Deployment on = deployed(replica);
    const ServingSystem system = serving_system(on, 1024, 8192);
    ServingLoad load;
    load.requests.input = parse_lengths("--input", "uniform:20:1500");
    load.requests.output = parse_lengths("--output", "gaussian:200:60");
    load.rules.batch = 32;
    load.count = 64;
    load.warm_up = 32;
    const ServingFigures fast = serving_figures(serve(load, system));
    load.step_by_step = true;
    const ServingFigures slow = serving_figures(serve(load, system));
    EXPECT_NEAR(fast.output_tokens.value / slow.output_tokens.value, 1, 1e-3) << replica.model;
    EXPECT_NEAR(fast.end_to_end.p50 / slow.end_to_end.p50, 1, 1e-3) << replica.model;
    EXPECT_NEAR(fast.end_to_end.p99 / slow.end_to_end.p99, 1, 1e-3) << replica.model;
    EXPECT_NEAR(fast.tbt->p50 / slow.tbt->p50, 1, 1e-3) << replica.model;
    EXPECT_NEAR(fast.tbt->p99 / slow.tbt->p99, 1, 1e-3) << replica.model;
    EXPECT_NEAR(fast.ttft.p50 / slow.ttft.p50, 1, 1e-3) << replica.model;
  }
}

}  // namespace
}  // namespace moesaic
