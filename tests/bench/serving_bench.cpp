// Speed targets of serving runs: 10,000 requests of 512 generated tokens in a second.
#include <benchmark/benchmark.h>

#include "sim/serving_figures.hpp"

namespace moesaic {
namespace {

ServingLoad load_of(std::int64_t requests, std::optional<PerSecond> rate) {
  ServingLoad load;
  load.requests.input = parse_lengths("--input", "gaussian:1024:256");
  load.requests.output = parse_lengths("--output", "gaussian:512:128");
  load.requests.rate = rate;
  load.rules.batch = 64;
  load.count = requests;
  load.warm_up = 64;
  return load;
}

void serve_requests(benchmark::State& state, const char* model, const char* machine, const Mapping& mapping,
                    const ServingLoad& load) {
  Architecture architecture = read_architecture(load_model_config(model));
  const Precision precision = architecture.precision;
  const Machine on = read_machine(load_machine_config(machine));
  const Deployment deployment{StepPlan(std::move(architecture), precision, on, mapping, make_placement("resident")),
                              load_cost_model("measured", on)};
  for (auto _ : state) {
    const ServingSystem system = serving_system(deployment, 1024, 8192);  // with nothing remembered
    benchmark::DoNotOptimize(serving_figures(serve(load, system)));
  }
  state.SetItemsProcessed(state.iterations() * load.count);
  state.counters["goal_per_s"] = 10000;
}

void BM_ServeMixtralClosedLoop(benchmark::State& state) {
  serve_requests(state, "mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 4}, load_of(10000, std::nullopt));
}
BENCHMARK(BM_ServeMixtralClosedLoop)->Unit(benchmark::kMillisecond);

void BM_ServeMixtralPoisson(benchmark::State& state) {
  serve_requests(state, "mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 4}, load_of(10000, PerSecond{6}));
}
BENCHMARK(BM_ServeMixtralPoisson)->Unit(benchmark::kMillisecond);

void BM_ServeDeepSeekV3(benchmark::State& state) {
  serve_requests(state, "deepseek-ai/DeepSeek-V3", "dgx-h200", {.tensor = 1, .data = 8, .expert = 8},
                 load_of(10000, std::nullopt));
}
BENCHMARK(BM_ServeDeepSeekV3)->Unit(benchmark::kMillisecond);

/// For comparison: every decode step by itself.
void BM_ServeMixtralStepByStep(benchmark::State& state) {
  ServingLoad load = load_of(1000, std::nullopt);
  load.step_by_step = true;
  serve_requests(state, "mistralai/Mixtral-8x7B-v0.1", "dgx-h100", {.tensor = 4}, load);
}
BENCHMARK(BM_ServeMixtralStepByStep)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
