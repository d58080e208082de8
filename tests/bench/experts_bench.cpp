// Speed target of expert traffic: 320 ranks with 256 experts well under 100 ms, uniform and skewed.
#include <benchmark/benchmark.h>

#include "model/expert_traffic.hpp"
#include "model/optimal_placement.hpp"

namespace moesaic {
namespace {

void traffic_once(benchmark::State& state, double exponent, const HitOptions& options) {
  const Routing routing = Routing::zipf(256, 8, exponent);
  const ExpertPlacement placement = balanced_placement(routing.inclusion(), 64, {320, 8});
  const std::vector<double> tokens(320, 128.0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        summarize(expert_traffic(expert_hits(routing, placement, options), tokens, CopyRule::per_node)));
  }
  state.counters["goal_ms"] = 100;
}

HitOptions groups() {
  HitOptions options;
  options.limit = {8, 4};
  return options;
}

HitOptions own_node() {
  HitOptions options;
  options.replicas = ReplicaRule::own_node;
  return options;
}

void BM_TrafficUniform(benchmark::State& state) { traffic_once(state, 0, {}); }
BENCHMARK(BM_TrafficUniform)->Unit(benchmark::kMillisecond);
void BM_TrafficZipf(benchmark::State& state) { traffic_once(state, 1, {}); }
BENCHMARK(BM_TrafficZipf)->Unit(benchmark::kMillisecond);
void BM_TrafficUniformGroups(benchmark::State& state) { traffic_once(state, 0, groups()); }
BENCHMARK(BM_TrafficUniformGroups)->Unit(benchmark::kMillisecond);
void BM_TrafficZipfGroups(benchmark::State& state) { traffic_once(state, 1, groups()); }
BENCHMARK(BM_TrafficZipfGroups)->Unit(benchmark::kMillisecond);
void BM_TrafficZipfOwnNode(benchmark::State& state) { traffic_once(state, 1, own_node()); }
BENCHMARK(BM_TrafficZipfOwnNode)->Unit(benchmark::kMillisecond);

/// Both of MoETuner's programs for 32 layers of 8 experts; goal: seconds.
void BM_OptimumOfMixtral(benchmark::State& state) {
  const LayerFlows flows = layer_flows(synthetic_trace({.exponent = 0.5, .affinity = 0.6}));
  const RankGrid grid{state.range(0), state.range(1)};
  for (auto _ : state) {
    benchmark::DoNotOptimize(optimal_placement(flows, grid, {.rates = {{450e9}, {50e9}}}));
  }
  state.counters["goal_ms"] = 5000;
}
BENCHMARK(BM_OptimumOfMixtral)
    ->Args({4, 4})
    ->Args({4, 2})
    ->Args({8, 8})
    ->Args({8, 4})
    ->Args({8, 2})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
