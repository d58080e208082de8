// Speed targets of a prediction: one predict of Mixtral-8x7B (TP 8) in 20 us, of DeepSeek-V3 (EP 64) in 40 us, and
// 200,000 evaluations a second of a batch sweep on two cores.
#include <benchmark/benchmark.h>
#include <tbb/parallel_for.h>

#include "sim/predict.hpp"

namespace moesaic {
namespace {

Deployment deployment(const char* model, const char* machine, const Mapping& mapping,
                      const char* placement = "resident", const char* profile = "default") {
  Architecture architecture = read_architecture(load_model_config(model));
  const Precision precision = architecture.precision;
  const Machine on = read_machine(load_machine_config(machine));
  return {StepPlan(std::move(architecture), precision, on, mapping, make_placement(placement)),
          load_cost_model(profile, on)};
}

constexpr Load kLoad{.batch = 64, .input = 1024, .output = 256};

void predict_once(benchmark::State& state, const Deployment& on, double goal_us) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(predict(on, kLoad));
  }
  state.counters["goal_us"] = goal_us;
}

void BM_PredictMixtralTp8(benchmark::State& state) {
  predict_once(state, deployment("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 8}), 20);
}
BENCHMARK(BM_PredictMixtralTp8)->Unit(benchmark::kMicrosecond);

void BM_PredictDeepSeekV3Ep64(benchmark::State& state) {
  predict_once(state, deployment("deepseek-ai/DeepSeek-V3", "gb200-nvl72", {.tensor = 1, .data = 64, .expert = 64}),
               40);
}
BENCHMARK(BM_PredictDeepSeekV3Ep64)->Unit(benchmark::kMicrosecond);

/// With measured kernels: at most twice the goals above.
void BM_PredictMixtralTp8Measured(benchmark::State& state) {
  predict_once(state, deployment("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 8}, "resident", "measured"), 40);
}
BENCHMARK(BM_PredictMixtralTp8Measured)->Unit(benchmark::kMicrosecond);

void BM_PredictDeepSeekV3Ep64Measured(benchmark::State& state) {
  predict_once(state,
               deployment("deepseek-ai/DeepSeek-V3", "gb200-nvl72", {.tensor = 1, .data = 64, .expert = 64}, "resident",
                          "measured"),
               80);
}
BENCHMARK(BM_PredictDeepSeekV3Ep64Measured)->Unit(benchmark::kMicrosecond);

void BM_PredictStreamedMixtral(benchmark::State& state) {
  predict_once(state, deployment("mistralai/Mixtral-8x7B-v0.1", "xeon-8380-a40", {}, "streamed"), 0);
}
BENCHMARK(BM_PredictStreamedMixtral)->Unit(benchmark::kMicrosecond);

/// One item: a whole prediction's times at one batch size, out of 1..512, on all cores.
void BM_BatchSweepMixtralTp8(benchmark::State& state) {
  const Deployment on = deployment("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 8});
  constexpr std::int64_t kBatches = 512;
  for (auto _ : state) {
    tbb::parallel_for(tbb::blocked_range<std::int64_t>(1, kBatches + 1), [&](const auto& range) {
      Predictor predictor(on);
      Load load = kLoad;
      for (load.batch = range.begin(); load.batch != range.end(); ++load.batch) {
        benchmark::DoNotOptimize(predictor.times(load));
      }
    });
  }
  state.SetItemsProcessed(state.iterations() * kBatches);
  state.counters["goal_per_s"] = 200000;
}
BENCHMARK(BM_BatchSweepMixtralTp8)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_ElasticitiesMixtralTp8(benchmark::State& state) {
  const Deployment on = deployment("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 8});
  for (auto _ : state) {
    benchmark::DoNotOptimize(elasticities(on, kLoad));
  }
}
BENCHMARK(BM_ElasticitiesMixtralTp8)->Unit(benchmark::kMicrosecond);

void BM_StepPlanDeepSeekV3(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        deployment("deepseek-ai/DeepSeek-V3", "gb200-nvl72", {.tensor = 1, .data = 64, .expert = 64}));
  }
}
BENCHMARK(BM_StepPlanDeepSeekV3)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace moesaic
