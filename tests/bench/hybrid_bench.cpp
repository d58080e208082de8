// Speed targets of placements: between a device and its host one step of about 60 layers on five resources (device, CPU,
// both directions of the link, host memory) in 200 us; on four devices with a unit near their memory a decode step in
// 200 us.
#include <benchmark/benchmark.h>

#include "model/hybrid_description.hpp"
#include "sim/pipelined_step.hpp"

namespace moesaic {
namespace {

void BM_HybridStep(benchmark::State& state, const char* placement) {
  Architecture architecture = read_architecture(load_model_config("deepseek-ai/DeepSeek-V3"));
  const Precision precision = architecture.precision;
  const StepPlan plan(std::move(architecture), precision, read_machine(load_machine_config("xeon-8380-a40")), {},
                      make_placement(placement));
  const CostModelPointer cost = default_cost_model();
  PipelinedStep steps(plan, *cost);
  StepGraph graph;
  StagePass pass;
  const Batch batch = Batch::decode(64, 1000);
  for (auto _ : state) {
    steps.pass(batch, {}, graph, pass);
    benchmark::DoNotOptimize(pass);
  }
  state.counters["goal_us"] = 200;
}
BENCHMARK_CAPTURE(BM_HybridStep, streamed, "streamed")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, moe_lens, "moe-lens")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, fiddler, "fiddler")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, ktransformers, "ktransformers")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, pre_gated, "pre-gated")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, moe_lightning, "moe-lightning")->Unit(benchmark::kMicrosecond);

void BM_NearMemoryStep(benchmark::State& state, const char* placement) {
  Architecture architecture = read_architecture(load_model_config("Mixtral-8x7B"));
  const Precision precision = architecture.precision;
  const Machine machine = read_machine(load_machine_config("duplex-4"));
  const StepPlan plan(std::move(architecture), precision, machine, {.tensor = 4, .expert = 4},
                      make_placement(placement));
  const CostModelPointer cost = load_cost_model("dram", machine);
  PipelinedStep steps(plan, *cost);
  StepGraph graph;
  StagePass pass;
  const Batch batch = Batch::decode(64, 1000);
  for (auto _ : state) {
    steps.pass(batch, {}, graph, pass);
    benchmark::DoNotOptimize(pass);
  }
  state.counters["goal_us"] = 200;
}
BENCHMARK_CAPTURE(BM_NearMemoryStep, duplex, "duplex")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_NearMemoryStep, duplex_pe, "duplex-pe")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace moesaic
