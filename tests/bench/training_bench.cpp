// Speed targets of training steps: one at 1,024 devices in 1 ms with nothing known before; 100,000 mappings a second on
// two cores where layers' costs are shared.
#include <benchmark/benchmark.h>

#include "sim/training_prediction.hpp"

namespace moesaic {
namespace {

TrainingPredictor predictor(const char* model, const char* profile) {
  const Machine on = read_machine(load_machine_config("eos"));
  return {read_architecture(load_model_config(model)), Precision{}, on, load_cost_model(profile, on)};
}

constexpr Mapping kMapping{
    .tensor = 2, .data = 64, .expert = 8, .pipeline = 8, .expert_slices = 1, .virtual_stages = 1, .sequence = true};

/// A new predictor each time: machine, model and profile are read outside.
void BM_FirstTrainingStep(benchmark::State& state) {
  const Machine on = read_machine(load_machine_config("eos"));
  const Architecture architecture = read_architecture(load_model_config("Mixtral-8x22B-v0.1"));
  const CostModelPointer cost = load_cost_model("measured", on);
  for (auto _ : state) {
    const TrainingPredictor fresh(architecture, Precision{}, on, cost);
    benchmark::DoNotOptimize(fresh.predict(kMapping, {.global_batch = 1024}));
  }
  state.counters["goal_us"] = 1000;
}
BENCHMARK(BM_FirstTrainingStep)->Unit(benchmark::kMicrosecond);

void repeat(benchmark::State& state, const Mapping& mapping, const Training& training) {
  const TrainingPredictor predict = predictor("Mixtral-8x22B-v0.1", "measured");
  for (auto _ : state) {
    benchmark::DoNotOptimize(predict.predict(mapping, training));
  }
  state.counters["goal_us"] = 20;
}

void BM_TrainingStep(benchmark::State& state) { repeat(state, kMapping, {.global_batch = 1024}); }
BENCHMARK(BM_TrainingStep)->Unit(benchmark::kMicrosecond);

void BM_TrainingStepWithoutPipeline(benchmark::State& state) {
  Mapping mapping = kMapping;
  mapping.pipeline = 1;
  mapping.data = 512;
  repeat(state, mapping, {.global_batch = 1024});
}
BENCHMARK(BM_TrainingStepWithoutPipeline)->Unit(benchmark::kMicrosecond);

void BM_TrainingStepDividedWeights(benchmark::State& state) {
  Mapping mapping = kMapping;
  mapping.pipeline = 1;
  mapping.data = 512;
  repeat(state, mapping, {.global_batch = 1024, .zero = ZeroStage::weights});
}
BENCHMARK(BM_TrainingStepDividedWeights)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace moesaic
