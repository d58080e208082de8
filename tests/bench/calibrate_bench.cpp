// Speed targets of measured costs: 100 ns for one operator, 10 ms to load a profile.
#include <benchmark/benchmark.h>

#include "base/catalog.hpp"
#include "calibrate/cost_model.hpp"
#include "model/step.hpp"

namespace moesaic {
namespace {

/// All tasks of one decode step that a measured kernel covers.
void BM_MeasuredCostOfOneOperator(benchmark::State& state) {
  Architecture architecture = read_architecture(load_model_config("deepseek-ai/DeepSeek-V3"));
  const Precision precision = architecture.precision;
  const Machine machine = read_machine(load_machine_config("dgx-h200"));
  const StepPlan plan(std::move(architecture), precision, machine, {.tensor = 8}, make_placement("resident"));
  const CostModelPointer cost = load_cost_model("measured", machine);
  StepBuilder builder(plan);
  StepGraph graph;
  builder.build(Batch::decode(50, 3000), {}, graph);
  for (auto _ : state) {
    for (const Task& task : graph.tasks) {
      benchmark::DoNotOptimize(cost->cost(task, plan.view()));
    }
  }
  state.counters["per_operator"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(graph.tasks.size()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["goal"] = 100e-9;
}
BENCHMARK(BM_MeasuredCostOfOneOperator);

/// The largest profile that is shipped.
void BM_LoadProfile(benchmark::State& state) {
  std::filesystem::path largest;
  for (const CatalogEntry& entry : list_catalog("profiles")) {
    if (largest.empty() || file_size(entry.file) > file_size(largest)) {
      largest = entry.file;
    }
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(read_profile(Config::load(largest)));
  }
  state.counters["goal_ms"] = 10;
}
BENCHMARK(BM_LoadProfile)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
