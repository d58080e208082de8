// Speed targets of placements: between a device and its host one step of about 60 layers on five resources (device,
// CPU, both directions of the link, host memory) in 200 us; on four devices with a unit near their memory a decode step
// in 200 us.
#include <benchmark/benchmark.h>

#include "model/hybrid_description.hpp"
#include "sim/pipelined_step.hpp"

namespace moesaic {
namespace {

void run_decode_steps(benchmark::State& state, const char* model, const char* machine_name, const Mapping& mapping,
                      const char* placement, const char* profile) {
  Architecture architecture = read_architecture(load_model_config(model));
  const Precision precision = architecture.precision;
  const Machine machine = read_machine(load_machine_config(machine_name));
  const StepPlan plan(std::move(architecture), precision, machine, mapping, make_placement(placement));
  const CostModelPointer cost = load_cost_model(profile, machine);
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

void BM_HybridStep(benchmark::State& state, const char* placement) {
  run_decode_steps(state, "deepseek-ai/DeepSeek-V3", "xeon-8380-a40", {}, placement, "default");
}
BENCHMARK_CAPTURE(BM_HybridStep, streamed, "streamed")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, moe_lens, "moe-lens")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, fiddler, "fiddler")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, ktransformers, "ktransformers")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, pre_gated, "pre-gated")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_HybridStep, moe_lightning, "moe-lightning")->Unit(benchmark::kMicrosecond);

void BM_NearMemoryStep(benchmark::State& state, const char* placement) {
  run_decode_steps(state, "Mixtral-8x7B", "duplex-4", {.tensor = 4, .expert = 4}, placement, "dram");
}
BENCHMARK_CAPTURE(BM_NearMemoryStep, duplex, "duplex")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_NearMemoryStep, duplex_pe, "duplex-pe")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace moesaic
