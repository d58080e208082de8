// Networks served over pipeline stages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sim/predict.hpp"
#include "tests/model/replicas.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

Deployment staged(const std::string& model, int stages, int tensor = 1) {
  return deployment(model, "dgx-h200", {.tensor = tensor, .pipeline = stages});
}

TEST(ServingStages, LayersAreDealtEvenly) {
  for_every_model([](const Architecture& architecture) {
    const auto layers = architecture.layer_count();
    for (const int stages : {1, 2, 3, 7, 16}) {
      std::int64_t all = 0, most = 0, fewest = layers;
      int count = 0;
      for (const PipelineStage& stage : pipeline_stages(architecture, stages)) {
        std::int64_t here = 0, folded = 0;
        for (const std::int64_t of_kind : stage.layers_of_kind) {
          here += of_kind;
        }
        for (const LayerBlock& block : stage.blocks) {
          folded += block.repeats * static_cast<std::int64_t>(block.kinds.size());
        }
        EXPECT_EQ(here, folded);
        all += here * stage.alike;
        count += stage.alike;
        most = std::max(most, here);
        fewest = std::min(fewest, here);
      }
      EXPECT_EQ(all, layers);
      EXPECT_EQ(count, stages);
      EXPECT_LE(most - fewest, 1);
    }
  });
}

// 61 layers over 4 stages: 15, 15, 16, 15.
TEST(ServingStages, TheLastStageIsSpared) {
  const auto stages = pipeline_stages(preset("DeepSeek-V3"), 4);
  ASSERT_EQ(stages.size(), 4U);  // dense layers only in the first, one more in the third, lm_head in the fourth
  EXPECT_EQ(stages[2].layers_of_kind[0] + stages[2].layers_of_kind[1], 16);
  EXPECT_EQ(stages[3].layers_of_kind[1], 15);
  EXPECT_TRUE(stages[3].last);
}

// Stages do the whole network once: their operators are those of one device, with transfers between.
TEST(ServingStages, StagesAreTheNetwork) {
  const StepPlan plan = staged("DeepSeek-V3", 4, 8).plan;
  for (const Batch& batch : {Batch::decode(64, 1000), Batch::prefill(4, 1000)}) {
    double parts = 0, sent = 0;
    for (std::size_t i = 0; i < plan.stages().size(); ++i) {
      const StepGraph graph = build_step(plan, batch, {.stage = static_cast<int>(i)});
      parts += plan.stages()[i].alike * product_flops(graph);
      sent += plan.stages()[i].alike * over_step(graph, [](const Task& task) {
                return std::string_view(task.op.label) == "next stage" ? task.work.wire.value : 0;
              });
    }
    EXPECT_NEAR(parts / product_flops(build_step(plan, batch)), 1, 1e-12);
    // Three transfers of 7,168 elements of bf16 a token.
    EXPECT_DOUBLE_EQ(sent, 3 * batch.tokens() * 7168 * 2);
  }
}

// A round of decoding takes the slowest stage's time for all micro-batches, or a token's way, whichever is longer. 64
// layers over 4 stages are alike but for the ends, so that four micro-batches of 16 take about as long as four steps of
// 16 on one device take a quarter each.
TEST(ServingStages, FourMicroBatchesKeepFourStagesBusy) {
  const Load load{.batch = 64, .input = 1000, .output = 2};
  const Load part{.batch = 16, .input = 1000, .output = 2};
  const double alone = predict(staged("Qwen3-32B", 1), part).tpot.value;
  const double round = predict(staged("Qwen3-32B", 4), load).tpot.value;
  EXPECT_GT(round, alone);  // lm_head is the last stage's, and every stage has host time
  EXPECT_LT(round, alone * 1.3);
}

// One sequence passes the stages one after another: nothing is gained but memory.
TEST(ServingStages, OneSequenceGainsNothing) {
  const Load load{.batch = 1, .input = 1000, .output = 2};
  EXPECT_GT(predict(staged("Llama-3.1-8B", 4), load).tpot, predict(staged("Llama-3.1-8B", 1), load).tpot);
}

TEST(ServingStages, LimitsHoldAndBarsAddUp) {
  for (const int stages : {1, 2, 4, 8}) {
    for (const std::int64_t batch : {1, 3, 64}) {
      for (const std::int64_t input : {100, 20000}) {
        const Prediction prediction = predict(staged("Llama-3.1-8B", stages), {batch, input, 50});
        for (const PhasePrediction* phase : {&prediction.prefill, &prediction.decode}) {
          double sum = phase->limit.seconds.value;
          for (const WaterfallBar& bar : phase->waterfall) {
            EXPECT_GE(bar.seconds.value, -1e-12) << bar.id;
            sum += bar.seconds.value;
          }
          EXPECT_NEAR(sum / phase->seconds.value, 1, 1e-9);
          EXPECT_GE(phase->seconds.value, phase->limit.seconds.value * (1 - 1e-9));
          for (const ResourceUse& use : phase->resources) {
            EXPECT_LE(use.utilisation, 1 + 1e-9) << use.resource;
          }
        }
      }
    }
  }
}

// What is explained is one micro-batch on the slowest stage: decoding goes round in as many of them as there are
// stages, so that a token takes four times the stage; prompts take it once a step, and once the way through the others.
TEST(ServingStages, ExplainsAMicroBatchOfAStage) {
  for (const char* model : {"Qwen3-32B", "DeepSeek-V3"}) {
    const Deployment deployment = staged(model, 4, 2);
    const OperatorTable decode = explain_step(deployment, {.batch = 64, .input = 1000, .output = 1}, Phase::decode);
    ASSERT_TRUE(decode.part);
    EXPECT_EQ(decode.part->stages, 4);
    EXPECT_EQ(decode.part->micro_batches, 4);
    EXPECT_EQ(decode.part->requests, 16);
    const Load load{.batch = 64, .input = 1000, .output = 2};
    const Prediction prediction = predict(deployment, load);
    if (prediction.fits) {
      EXPECT_NEAR(prediction.tpot / (decode.step * 4), 1, 1e-9);
      const OperatorTable prefill = explain_step(deployment, load, Phase::prefill);
      EXPECT_EQ(prefill.part->micro_batches, prediction.prefill.steps);
      const double steps = prediction.prefill.seconds / prefill.step;
      EXPECT_GT(steps, prefill.part->micro_batches);
      EXPECT_LE(steps, prefill.part->micro_batches + 3);
    }
    double most = 0;
    for (const OperatorRow& row : decode.rows) {
      most = std::max(most, row.count);
    }
    EXPECT_LE(most, 16);  // 64 and 61 layers over four stages
  }
}

// Prompts stream through the stages: with many of them two stages take little more than half as long as one.
TEST(ServingStages, PrefillOfManyPromptsScales) {
  const Load load{.batch = 64, .input = 4096, .output = 2, .step_tokens = 4096};
  const double one = predict(staged("Llama-3.1-8B", 1), load).prefill.seconds.value;
  const double two = predict(staged("Llama-3.1-8B", 2), load).prefill.seconds.value;
  EXPECT_GT(two, one / 2);
  EXPECT_LT(two, one * 0.56);  // 1/64 of filling, the transfers, lm_head on one side
}

// Each of four stages of 32 layers holds eight; the last has lm_head as well, the first the input table.
TEST(ServingStages, MemoryIsTheFullestStages) {
  const MemoryLoad load{.sequences = 16, .context = 4096, .prompt = 2048, .step_tokens = 8192};
  const StepPlan one = staged("Llama-3.1-8B", 1).plan, four = staged("Llama-3.1-8B", 4).plan;
  const MemoryFootprint alone = replica_memory(one, load).device, stage = replica_memory(four, load).device;
  EXPECT_NEAR(stage.kv / alone.kv, 0.25, 1e-12);
  const double table = 128256.0 * 4096 * 2;
  EXPECT_NEAR((stage.weights.value - table) / (alone.weights.value - 2 * table), 0.25, 1e-9);
}

// Context-parallel ranks divide the cache.
TEST(ServingStages, ContextDividesTheCache) {
  const MemoryLoad load{.sequences = 4, .context = 100000, .prompt = 100000, .step_tokens = 8192};
  const Architecture llama = preset("Llama-3.1-8B");
  const Bytes alone = replica_memory(replica(llama), load).device.kv;
  const Bytes eighth = replica_memory(replica(llama, {.context = 8}), load).device.kv;
  EXPECT_NEAR(eighth / alone, 1.0 / 8, 1e-12);
}

// 256 experts on 320 ranks need 64 copies: then one expert a rank, and the busiest rank the load of one.
TEST(ServingStages, RedundantExpertsFillTheGroups) {
  const Architecture deepseek = preset("DeepSeek-V3");
  const Mapping mapping{.tensor = 4, .data = 80, .expert = 320, .sequence = true, .redundant = 64};
  Machine cluster = machine_named("h800-cluster");
  const StepPlan plan(deepseek, deepseek.precision, cluster, mapping, resident_placement());
  const StepGraph graph = build_step(plan, Batch::decode(80 * 64, 4000));
  double held = 0;
  for (const Task& task : graph.tasks) {
    if (std::string_view(task.op.label) == "experts") {
      held = std::get<GroupedGemm>(task.op.shape).experts;
      EXPECT_GE(std::get<GroupedGemm>(task.op.shape).rows, 80 * 64 * 8.0 / 256);
    }
  }
  EXPECT_EQ(held, 1);
  Mapping none = mapping;
  none.redundant = 0;
  try {
    check_mapping(deepseek, none, cluster);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("red=64"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace moesaic
