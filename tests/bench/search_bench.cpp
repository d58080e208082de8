// Speed target of a search: 100,000 candidates (mappings with a batch) a second on two cores.
#include <benchmark/benchmark.h>

#include "model/mapping_space.hpp"
#include "sim/serving_search.hpp"

namespace moesaic {
namespace {

ServingSpace space_of(const char* model, const char* machine, int devices, const char* profile) {
  ServingQuestion question;
  question.architecture = read_architecture(load_model_config(model));
  question.precision = question.architecture.precision;
  question.machine = read_machine(load_machine_config(machine));
  question.placement = make_placement("resident");
  question.cost = load_cost_model(profile, question.machine);
  question.load = {.batch = 1, .input = 1024, .output = 256};
  question.devices = devices;
  question.mappings = list_mappings(question.architecture, question.machine, {.devices = devices});
  return ServingSpace(std::move(question));
}

void search_once(benchmark::State& state, const ServingSpace& space, bool prune) {
  SearchCounts counts;
  for (auto _ : state) {
    counts = search(space, {.prune = prune}).counts;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(counts.candidates()));
  state.counters["mappings"] = static_cast<double>(counts.mappings);
  state.counters["evaluated"] = static_cast<double>(counts.evaluated);
  state.counters["pruned"] = static_cast<double>(counts.pruned);
  state.counters["goal_per_s"] = 100000;
}

void BM_SearchMixtralOn8(benchmark::State& state) {
  search_once(state, space_of("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", 8, "default"), true);
}
BENCHMARK(BM_SearchMixtralOn8)->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

void BM_SearchDeepSeekV3On64(benchmark::State& state) {
  search_once(state, space_of("deepseek-ai/DeepSeek-V3", "gb200-nvl72", 64, "default"), state.range(0) != 0);
}
BENCHMARK(BM_SearchDeepSeekV3On64)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

/// With measured kernels.
void BM_SearchDeepSeekV3On64Measured(benchmark::State& state) {
  search_once(state, space_of("deepseek-ai/DeepSeek-V3", "gb200-nvl72", 64, "measured"), state.range(0) != 0);
}
BENCHMARK(BM_SearchDeepSeekV3On64Measured)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void BM_ListMappingsOf1024(benchmark::State& state) {
  const Architecture architecture = read_architecture(load_model_config("deepseek-ai/DeepSeek-V3"));
  Machine machine = read_machine(load_machine_config("h800-cluster"));
  std::size_t count = 0;
  for (auto _ : state) {
    count = list_mappings(architecture, machine, {.devices = 1024}).size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(BM_ListMappingsOf1024)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
