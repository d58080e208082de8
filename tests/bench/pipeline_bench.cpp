// Speed of pipelines: 16 stages with 256 micro-batches in about 10 us, 64 with 512 well below a millisecond.
#include <benchmark/benchmark.h>

#include "sim/pipeline.hpp"

namespace moesaic {
namespace {

/// As networks are divided: equal stages, but the last one, which has the head.
PipelineProblem problem(PipelineSchedule schedule, int stages, std::int64_t micro_batches) {
  const int chunks = schedule == PipelineSchedule::interleaved ? 4 : 1;
  PipelineProblem result{.schedule = schedule,
                         .stages = stages,
                         .chunks = chunks,
                         .micro_batches = micro_batches,
                         .times = {static_cast<std::size_t>(stages * chunks), {{1.1e-3}, {1.3e-3}, {0.9e-3}, {}}},
                         .transfer = {0.05e-3}};
  result.times.back().forward *= 1.2;
  return result;
}

void run(benchmark::State& state) {
  const PipelineProblem of =
      problem(static_cast<PipelineSchedule>(state.range(0)), static_cast<int>(state.range(1)), state.range(2));
  for (auto _ : state) {
    benchmark::DoNotOptimize(run_pipeline(of).total);
  }
  state.SetLabel(std::string(name(of.schedule)));
}
BENCHMARK(run)
    ->Name("pipeline")
    ->ArgNames({"schedule", "stages", "micro_batches"})
    ->ArgsProduct({{0, 1, 2, 3, 4}, {16}, {256}})
    ->ArgsProduct({{0, 1, 2, 3, 4}, {64}, {512}});

}  // namespace
}  // namespace moesaic
