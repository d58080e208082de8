// Speed target of predictions on clusters: one decode step of DeepSeek-V3 (61 layers) on 64 devices, from the mapping
// to the time, its collectives as flows on the topology: 20 ms.
#include <benchmark/benchmark.h>

#include "sim/contended_cost.hpp"
#include "sim/executor.hpp"
#include "sim/predict.hpp"

namespace moesaic {
namespace {

void BM_DecodeStepOn64DevicesContended(benchmark::State& state) {
  const Machine machine = read_machine(load_machine_config("h800-cluster"));
  const Architecture architecture = read_architecture(load_model_config("deepseek-ai/DeepSeek-V3"));
  const CostModelPointer cost = load_cost_model("default", machine);
  for (auto _ : state) {
    const StepPlan plan(architecture, architecture.precision, machine, {.tensor = 1, .data = 64, .expert = 64},
                        resident_placement());
    const CostModelPointer contended = contended_cost_model(cost, plan, {}, FabricModel::flows);
    const StepGraph graph = build_step(plan, Batch::decode(4096, 4096));
    benchmark::DoNotOptimize(execute(graph, plan.view(), *contended).total);
  }
  state.counters["goal_ms"] = 20;
}
BENCHMARK(BM_DecodeStepOn64DevicesContended)->Unit(benchmark::kMillisecond);

/// The same with everything that does not change from step to step prepared.
void BM_DecodeStepOn64DevicesPrepared(benchmark::State& state) {
  const Machine machine = read_machine(load_machine_config("h800-cluster"));
  const Architecture architecture = read_architecture(load_model_config("deepseek-ai/DeepSeek-V3"));
  const StepPlan plan(architecture, architecture.precision, machine, {.tensor = 1, .data = 64, .expert = 64},
                      resident_placement());
  const CostModelPointer cost = contended_cost_model(load_cost_model("default", machine), plan, {}, FabricModel::flows);
  for (auto _ : state) {
    const StepGraph graph = build_step(plan, Batch::decode(4096, 4096));
    benchmark::DoNotOptimize(execute(graph, plan.view(), *cost).total);
  }
}
BENCHMARK(BM_DecodeStepOn64DevicesPrepared)->Unit(benchmark::kMicrosecond);

/// Two micro-batches on DeepSeek's unit of 18 nodes, at every rung of the waterfall: well below 1 ms.
void BM_TwoBatchDecodeStepOn144Devices(benchmark::State& state) {
  const Machine machine = read_machine(load_machine_config("h800-cluster"));
  const Architecture architecture = read_architecture(load_model_config("deepseek-ai/DeepSeek-V3"));
  const StepPlan plan(architecture, architecture.precision, machine,
                      {.tensor = 1, .data = 144, .expert = 144, .redundant = 32}, resident_placement(), "uniform",
                      ExchangeKind::automatic, {parse_overlap("two-batch")});
  const CostModelPointer cost = load_cost_model("measured", machine);
  StepBuilder builder(plan);
  StepGraph graph;
  StepTimes times;
  for (auto _ : state) {
    builder.build(Batch::decode(12672, 4989), {}, graph);
    evaluate_step(graph, plan.view(), *cost, times);
    benchmark::DoNotOptimize(times.total);
  }
  state.counters["goal_us"] = 1000;
}
BENCHMARK(BM_TwoBatchDecodeStepOn144Devices)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace moesaic
