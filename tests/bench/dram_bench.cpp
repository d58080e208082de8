// Speed target of the command-level memory model: a gigabyte of reads over a whole device in a second.
#include <benchmark/benchmark.h>

#include "hw/dram/closed_form.hpp"

namespace moesaic {
namespace {

void BM_DramGigabyte(benchmark::State& state) {
  const auto dram = load_dram(state.range(1) == 0 ? "hbm3-5200" : "hbm3e-8000");
  const AccessPath path = access_path(access_path_names()[static_cast<std::size_t>(state.range(0))], *dram);
  for (auto _ : state) {
    benchmark::DoNotOptimize(simulate_stream(*dram, path, Bytes{1e9}));
  }
  state.SetLabel(path.name + ", " + dram->name);
}
BENCHMARK(BM_DramGigabyte)->ArgsProduct({benchmark::CreateDenseRange(0, 4, 1), {0, 1}})->Unit(benchmark::kMillisecond);

void BM_DramClosedForm(benchmark::State& state) {
  const auto dram = load_dram("hbm3-5200");
  const AccessPath path = access_path("logic-pim", *dram);
  for (auto _ : state) {
    benchmark::DoNotOptimize(closed_form_time(*dram, path, Bytes{1e9}));
  }
}
BENCHMARK(BM_DramClosedForm);

}  // namespace
}  // namespace moesaic
