// Predicted training steps: parts add up, no prediction beats its limit, and published runs come out near.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "sim/training_prediction.hpp"
#include "sim/training_stages.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TrainingPredictor predictor_on(const std::string& model, const std::string& machine,
                               const std::string& profile = "default") {
  const Machine on = read_machine(load_machine_config(machine));
  return {read_architecture(load_model_config(model)), Precision{}, on, load_cost_model(profile, on)};
}

/// A mapping of training: experts whole, sequence parallelism with tensor parallelism.
Mapping mapping(int tensor, int pipeline, int data, int expert = 1, int virtual_stages = 1) {
  return {.tensor = tensor,
          .data = data,
          .expert = expert,
          .pipeline = pipeline,
          .expert_slices = 1,
          .virtual_stages = virtual_stages,
          .sequence = tensor > 1};
}

struct TrainingCase {
  Mapping map;
  Training training;
};

std::vector<TrainingCase> cases() {
  std::vector<TrainingCase> all;
  using Schedule = PipelineSchedule;
  for (const ZeroStage zero : {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::weights}) {
    for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
      Training training{.global_batch = 128, .recompute = recompute, .zero = zero};
      all.push_back({mapping(1, 1, 32, 8), training});
      all.push_back({mapping(2, 4, 4, 8), training});
      training.capacity_factor = 1.25;
      training.unfused_attention = true;
      all.push_back({mapping(2, 4, 4, 8, 2), training});
      training.schedule = Schedule::dual_pipe;
      all.push_back({mapping(1, 4, 8, 8), training});
      training.schedule = Schedule::zero_bubble;
      training.overlap_gradients = training.overlap_weights = false;
      all.push_back({mapping(4, 2, 4, 4), training});
      Mapping context = mapping(2, 2, 4, 4);
      context.context = 2;
      training.schedule = Schedule::gpipe;
      all.push_back({context, training});
    }
  }
  return all;
}

TEST(Training, PartsAddUpAndNoneBeatsTheLimit) {
  for (const char* profile : {"default", "peak", "measured"}) {
    const TrainingPredictor predict = predictor_on("Mixtral-8x7B", "eos", profile);
    for (const TrainingCase& each : cases()) {
      SCOPED_TRACE(std::string(profile) + " " + to_text(each.map) + " zero " +
                   std::to_string(static_cast<int>(each.training.zero)) + " " +
                   std::string(name(each.training.schedule)) + " " + std::string(name(each.training.recompute)));
      const TrainingPrediction found = predict.predict(each.map, each.training);
      EXPECT_DOUBLE_EQ(found.parts.total().value, found.step.value);
      EXPECT_GE(found.step.value, found.limit.value * (1 - 1e-9));
      EXPECT_GT(found.limit.value, 0);
      for (const Seconds part : {found.parts.compute, found.parts.recompute, found.parts.tensor, found.parts.context,
                                 found.parts.expert, found.parts.data, found.parts.optimizer}) {
        EXPECT_GE(part.value, 0);
      }
      EXPECT_GE(found.parts.bubble.value, -1e-9 * found.step.value);
      EXPECT_LE(found.mfu, found.hfu);
      EXPECT_LE(found.hfu, 1);
    }
  }
}

TEST(Training, OneDeviceHasNoCommunicationAndNoBubble) {
  const TrainingPrediction found = predictor_on("Qwen3-0.6B", "dgx-h100").predict({}, {.global_batch = 8});
  EXPECT_EQ((found.parts.tensor + found.parts.context + found.parts.expert + found.parts.data).value, 0);
  EXPECT_NEAR(found.parts.bubble / found.step, 0, 1e-12);
  EXPECT_GT(found.mfu, 0.2);
}

// Eighteen bytes a parameter (2 of weights, 4 of gradients, 12 of states), divided as ZeRO says (1910.02054 figure 1).
TEST(Training, MemoryIsDividedAsZeroSays) {
  const TrainingPredictor predict = predictor_on("Llama-3.1-8B", "eos");
  const double parameters = 8029995008.0;
  const auto memory = [&](ZeroStage zero) {
    return predict.predict(mapping(1, 1, 64), {.global_batch = 64, .zero = zero}).memory;
  };
  const double of[][3] = {{2, 4, 12}, {2, 4, 12. / 64}, {2, 4. / 64, 12. / 64}, {2. / 64, 4. / 64, 12. / 64}};
  for (int zero = 0; zero < 4; ++zero) {
    const TrainingMemory held = memory(static_cast<ZeroStage>(zero));
    EXPECT_NEAR(held.weights.value, of[zero][0] * parameters, 1) << zero;
    EXPECT_NEAR(held.gradients.value, of[zero][1] * parameters, 1) << zero;
    EXPECT_NEAR(held.optimizer.value, of[zero][2] * parameters, 1) << zero;
  }
}

// 2205.05198 section 4.2.3: the first of p stages holds p micro-batches of L / p layers, whatever p is.
TEST(Training, FirstStageHoldsAsManyMicroBatchesAsThereAreStages) {
  const TrainingPredictor predict = predictor_on("gpt3-175b", "selene");
  Training training{.global_batch = 64, .sequence = 2048, .recompute = Recompute::selective, .unfused_attention = true};
  const TrainingPrediction found = predict.predict(mapping(8, 8, 1), training);
  EXPECT_EQ(found.memory.stage, 0);
  const double layers = 96.0 * 32 * 2048 * 12288 / 8;  // 32 s b h / t each
  EXPECT_GT(found.memory.activations.value, layers);
  EXPECT_LT(found.memory.activations.value, layers * 1.2);  // and what one layer at work needs
}

TEST(Training, MoreMicroBatchesHaveLessBubble) {
  const TrainingPredictor predict = predictor_on("Llama-3.1-70B", "eos");
  double share = 1;
  for (const std::int64_t batch : {32, 64, 128, 256}) {
    const TrainingPrediction found = predict.predict(mapping(8, 8, 2), {.global_batch = batch});
    EXPECT_LT(found.parts.bubble / found.step, share);
    share = found.parts.bubble / found.step;
  }
  const Training training{.global_batch = 64};
  EXPECT_LT(predict.predict(mapping(8, 8, 2, 1, 5), training).step, predict.predict(mapping(8, 8, 2), training).step);
}

TEST(Training, FasterPartsNeverMakeItSlower) {
  const Config machine = load_machine_config("eos");
  const Architecture architecture = read_architecture(load_model_config("Mixtral-8x7B"));
  const auto step = [&](const Config& config, const TrainingCase& each) {
    const Machine on = read_machine(config);
    return TrainingPredictor(architecture, Precision{}, on, default_cost_model()).predict(each.map, each.training).step;
  };
  const std::vector<TrainingCase> all = cases();
  for (std::size_t i = 0; i < all.size(); i += 5) {
    const Seconds before = step(machine, all[i]);
    for (const auto& [path, value] : {std::pair{"network.bandwidth", "100 GB/s"},
                                      {"device.memory.bandwidth", "5 TB/s"},
                                      {"device.scale_up.bandwidth", "900 GB/s"},
                                      {"device.scale_up.latency", "1 us"},
                                      {"device.units.gpu.peak.bf16", "1500 TFLOP/s"}}) {
      // Weight gradients that fill pauses may get in each other's way (Graham's anomalies).
      const double tolerance = all[i].training.schedule == PipelineSchedule::zero_bubble ? 0.01 : 1e-12;
      EXPECT_LE(step(machine.set(path, value), all[i]).value, before.value * (1 + tolerance)) << path << " " << i;
    }
  }
}

TEST(Training, ThreadsPredictTheSame) {
  const TrainingPredictor shared = predictor_on("Mixtral-8x7B", "eos"), alone = predictor_on("Mixtral-8x7B", "eos");
  const std::vector<TrainingCase> all = cases();
  std::vector<double> found(all.size());
  const auto run = [&](std::size_t first) {
    for (std::size_t i = first; i < all.size(); i += 2) {
      found[i] = shared.predict(all[i].map, all[i].training).step.value;
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(found[i], alone.predict(all[i].map, all[i].training).step.value);
  }
}

// What is remembered of one mapping is not taken for another's.
TEST(Training, KnowsARingFromAGather) {
  Mapping ring = mapping(1, 1, 4, 4), gathered = ring;
  ring.context = gathered.context = 8;
  gathered.context_ring = false;
  const Training training{.global_batch = 32, .sequence = 32768};
  const TrainingPredictor both = predictor_on("Mixtral-8x7B", "eos");
  const Seconds around = both.predict(ring, training).step, first = both.predict(gathered, training).step;
  EXPECT_LT(around, first);
  EXPECT_EQ(first.value, predictor_on("Mixtral-8x7B", "eos").predict(gathered, training).step.value);
}

TEST(Training, LayersAreSpreadEvenly) {
  for (const std::int64_t layers : {56, 61, 80, 96}) {
    for (const int runs : {1, 2, 7, 16, 48}) {
      const std::vector<std::int64_t> counts = layers_of_runs(layers, runs);
      EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), layers);
      const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
      EXPECT_LE(*most - *least, 1);
      EXPECT_EQ(counts.back(), *least);
    }
  }
}

TEST(Training, Mistakes) {
  const TrainingPredictor predict = predictor_on("Mixtral-8x7B", "eos");
  const auto message = [&](const Mapping& map, const Training& training) {
    return user_error([&] { predict.predict(map, training); });
  };
  EXPECT_EQ(message(mapping(2, 4, 4), {.global_batch = 90}),
            "--global-batch: 90 sequences do not divide into micro-batches of 1 on dp=4; the nearest that works is 88");
  EXPECT_EQ(message(mapping(8, 1, 1), {.sequence = 4097}),
            "--sequence: 4097 tokens do not divide over 8 ranks of tp and cp; the nearest that works is 4096");
  EXPECT_NE(message(mapping(1, 33, 1), {}).find("at most pp=32 works"), std::string::npos);
  EXPECT_NE(message(mapping(1, 1, 1), {.micro_batch = 0}).find("--micro-batch: 0"), std::string::npos);
}

/// A measured iteration: 2205.05198, table 5 (Selene, A100). Ours are 12 to 13% faster: kernels here were measured in
/// 2025 and 2026, on devices that did nothing else.
TEST(Training, MegatronIterations) {
  struct Row {
    const char* model;
    Mapping map;
    std::int64_t batch;
    Recompute recompute;
    double measured;
  };
  Mapping plain = mapping(8, 8, 1, 1, 3), larger = mapping(8, 64, 1);
  Mapping alone = plain, larger_alone = larger;
  alone.sequence = larger_alone.sequence = false;
  for (const Row& row : {Row{"gpt3-175b", alone, 64, Recompute::full, 18.13},
                         {"gpt3-175b", plain, 64, Recompute::selective, 13.75},
                         {"megatron-1t", larger_alone, 512, Recompute::full, 94.42},
                         {"megatron-1t", larger, 512, Recompute::selective, 71.49}}) {
    const Training training{
        .global_batch = row.batch, .sequence = 2048, .recompute = row.recompute, .unfused_attention = true};
    const TrainingPrediction found = predictor_on(row.model, "selene", "measured").predict(row.map, training);
    EXPECT_NEAR(found.step.value / row.measured, 0.9, 0.1) << row.model;
    EXPECT_TRUE(found.memory.fits()) << row.model;
  }
}

}  // namespace
}  // namespace moesaic
