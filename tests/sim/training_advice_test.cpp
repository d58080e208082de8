// What would fit is found by trying: nothing that is nearer fits, and everything found does.
#include "sim/training_advice.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/hw/every_machine.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {
namespace {

TrainingPredictor catalog_predictor(const std::string& model, const std::string& machine = "dgx-h100") {
  return {preset(model), Precision{}, machine_named(machine), default_cost_model()};
}

bool changes(const TrainingOption& option, TrainingChange change) {
  return std::find(option.changes.begin(), option.changes.end(), change) != option.changes.end();
}

/// Property: what is advised fits when it is asked for, and is as fast as it says; a change is one.
void expect_true(const TrainingPredictor& predictor, const Mapping& mapping, const Training& training,
                 const TrainingAdvice& advice) {
  for (const TrainingOption& option : advice.options) {
    const TrainingPrediction again = predictor.predict(option.mapping, option.training);
    EXPECT_TRUE(again.memory.fits());
    EXPECT_EQ(again.memory.total(), option.memory);
    EXPECT_EQ(again.step, option.step);
    EXPECT_EQ(option.changes.size(), advice.options.front().changes.size());
    EXPECT_EQ(changes(option, TrainingChange::zero), option.training.zero != training.zero);
    EXPECT_EQ(changes(option, TrainingChange::recompute), option.training.recompute != training.recompute);
    EXPECT_EQ(changes(option, TrainingChange::micro_batch), option.training.micro_batch != training.micro_batch);
    EXPECT_EQ(changes(option, TrainingChange::tensor), option.mapping.tensor != mapping.tensor);
    EXPECT_EQ(changes(option, TrainingChange::pipeline), option.mapping.pipeline != mapping.pipeline);
    EXPECT_EQ(changes(option, TrainingChange::context), option.mapping.context != mapping.context);
    EXPECT_EQ(changes(option, TrainingChange::devices), option.mapping.devices() != mapping.devices());
  }
  const auto slower = [](const TrainingOption& a, const TrainingOption& b) { return a.step < b.step; };
  EXPECT_TRUE(std::is_sorted(advice.options.begin(), advice.options.end(), slower));
}

// 8.2 billion parameters: 16.4 + 32.8 + 98.3 / 8 GB of states under ZeRO 1, and layers' activations of 8 sequences.
TEST(TrainingAdvice, OneChange) {
  const TrainingPredictor train = catalog_predictor("Qwen/Qwen3-8B");
  const Mapping mapping{.data = 8};
  const Training training{.global_batch = 64, .micro_batch = 8};
  ASSERT_FALSE(train.predict(mapping, training).memory.fits());
  const TrainingAdvice advice = training_advice(train, mapping, training);
  ASSERT_FALSE(advice.options.empty());
  EXPECT_EQ(advice.options.front().changes.size(), 1U);
  expect_true(train, mapping, training, advice);
  // Against trying all of one kind: it is advised where one of them fits, and then the fastest of them.
  for (const Recompute recompute : {Recompute::selective, Recompute::full}) {
    Training again = training;
    again.recompute = recompute;
    const TrainingPrediction found = train.predict(mapping, again);
    const auto option = std::find_if(advice.options.begin(), advice.options.end(),
                                     [](const TrainingOption& one) { return changes(one, TrainingChange::recompute); });
    if (found.memory.fits()) {
      ASSERT_NE(option, advice.options.end());
      EXPECT_LE(option->step, found.step);
    }
  }
}

// 16.4 billion parameters on 8 devices with everything whole: weights and gradients alone take 98 GB, so that neither
// recomputation nor smaller micro-batches help by themselves.
TEST(TrainingAdvice, StatesAreDivided) {
  const TrainingPredictor train = catalog_predictor("deepseek-ai/deepseek-moe-16b-base");
  const Mapping mapping{.data = 8, .expert = 1, .expert_slices = 1};
  const Training training{.global_batch = 64, .micro_batch = 4};
  const TrainingAdvice advice = training_advice(train, mapping, training);
  ASSERT_FALSE(advice.options.empty());
  expect_true(train, mapping, training, advice);
  for (const TrainingOption& option : advice.options) {
    EXPECT_TRUE(changes(option, TrainingChange::zero) || changes(option, TrainingChange::tensor) ||
                changes(option, TrainingChange::pipeline) || changes(option, TrainingChange::expert));
  }
}

// 671 billion parameters have 18 bytes each, at least: 12 TB, of which 8 devices hold 0.7.
TEST(TrainingAdvice, NothingFits) {
  const TrainingPredictor train = catalog_predictor("deepseek-ai/DeepSeek-V3");
  const TrainingAdvice advice =
      training_advice(train, {.data = 8, .expert = 8, .expert_slices = 1}, {.micro_batch = 2});
  EXPECT_TRUE(advice.options.empty());
  EXPECT_EQ(advice.most_devices, 8);
  EXPECT_GT(advice.tried, 10U);
  EXPECT_GT(advice.closest.memory, Bytes{671e9 * 18 / 8});
  EXPECT_EQ(advice.closest.training.micro_batch, 1);
}

// The same on a machine that has more of them: more than 12 TB / 85 GB, which is 142.
TEST(TrainingAdvice, MoreDevices) {
  const TrainingPredictor train = catalog_predictor("deepseek-ai/DeepSeek-V3", "eos");
  const Mapping mapping{.data = 8, .expert = 8, .expert_slices = 1};
  const Training training{.global_batch = 1024};
  const TrainingAdvice advice = training_advice(train, mapping, training);
  ASSERT_FALSE(advice.options.empty());
  expect_true(train, mapping, training, advice);
  EXPECT_GT(advice.options.front().mapping.devices(), 142);
  EXPECT_LE(advice.options.front().mapping.devices(), 1024);
}

}  // namespace
}  // namespace moesaic
