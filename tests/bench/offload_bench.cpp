// Speed target of a search for a placement: a second on two cores.
#include <benchmark/benchmark.h>

#include "sim/offload_search.hpp"

namespace moesaic {
namespace {

void search_once(benchmark::State& state, const char* model, const char* machine, const char* types,
                 std::optional<std::int64_t> batch, bool prune) {
  OffloadQuestion question;
  question.architecture = read_architecture(load_model_config(model));
  question.precision = parse_precision(types, question.architecture.precision);
  question.machine = read_machine(load_machine_config(machine));
  question.cost = load_cost_model("default", question.machine);
  question.load = {.batch = 1, .input = 1024, .output = 256};
  question.batch = batch;
  const SearchObjective objective = batch == 1 ? SearchObjective::pace : SearchObjective::throughput;
  SearchCounts counts;
  for (auto _ : state) {
    counts = search_offload(question, {.objective = objective, .prune = prune}).counts;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(counts.candidates()));
  state.counters["shapes"] = static_cast<double>(counts.mappings);
  state.counters["evaluated"] = static_cast<double>(counts.evaluated);
  state.counters["pruned"] = static_cast<double>(counts.pruned);
  state.counters["goal_s"] = 1;
}

void BM_OffloadMixtralOneRequest(benchmark::State& state) {
  search_once(state, "mistralai/Mixtral-8x7B-v0.1", "desktop-4090", "", 1, state.range(0) != 0);
}
BENCHMARK(BM_OffloadMixtralOneRequest)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void BM_OffloadMixtralBatch64(benchmark::State& state) {
  search_once(state, "mistralai/Mixtral-8x7B-v0.1", "desktop-4090", "", 64, state.range(0) != 0);
}
BENCHMARK(BM_OffloadMixtralBatch64)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void BM_OffloadMixtralAnyBatch(benchmark::State& state) {
  search_once(state, "mistralai/Mixtral-8x7B-v0.1", "desktop-4090", "", std::nullopt, state.range(0) != 0);
}
BENCHMARK(BM_OffloadMixtralAnyBatch)->Arg(1)->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

void BM_OffloadDeepSeekV3OneRequest(benchmark::State& state) {
  search_once(state, "deepseek-ai/DeepSeek-V3", "xeon-8380-a40", "weights=int4", 1, state.range(0) != 0);
}
BENCHMARK(BM_OffloadDeepSeekV3OneRequest)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
