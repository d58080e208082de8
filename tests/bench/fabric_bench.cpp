// Speed targets of topologies: routes of an all-to-all of 1,024 devices (1,047,552 flows) in well under 100 ms, and the
// dragonfly of 261,632 endpoints built in 2 s.
#include <benchmark/benchmark.h>

#include "hw/routing.hpp"
#include "hw/topology_description.hpp"
#include "hw/topology_properties.hpp"

namespace moesaic {
namespace {

std::vector<Demanded> all_to_all(const Topology& topology) {
  std::vector<Demanded> flows;
  flows.reserve(std::size_t{topology.devices} * (topology.devices - 1));
  for (std::uint32_t i = 0; i < topology.devices; ++i) {
    for (std::uint32_t j = 0; j < topology.devices; ++j) {
      if (i != j) {
        flows.push_back({i, j, 1e6});
      }
    }
  }
  return flows;
}

void route(benchmark::State& state, RoutePolicy policy, bool rails) {
  TopologyDescription description = load_topology("dgx-h100-superpod");
  description.fabric.rail_optimised = rails;
  const Topology topology = build_topology(description);
  const std::vector<Demanded> flows = all_to_all(topology);
  std::size_t hops = 0;
  for (auto _ : state) {
    const Routes routes = route_flows(topology, {.policy = policy}, flows);
    hops = routes.hops.size();
    benchmark::DoNotOptimize(routes.hops.data());
  }
  state.counters["flows"] = static_cast<double>(flows.size());
  state.counters["hops"] = static_cast<double>(hops);
}

void BM_RouteSpray1024(benchmark::State& state) { route(state, RoutePolicy::spray, false); }
BENCHMARK(BM_RouteSpray1024)->Unit(benchmark::kMillisecond);
void BM_RouteSprayOnRails1024(benchmark::State& state) { route(state, RoutePolicy::spray, true); }
BENCHMARK(BM_RouteSprayOnRails1024)->Unit(benchmark::kMillisecond);
void BM_RouteEcmp1024(benchmark::State& state) { route(state, RoutePolicy::ecmp, false); }
BENCHMARK(BM_RouteEcmp1024)->Unit(benchmark::kMillisecond);
void BM_RouteSplit1024(benchmark::State& state) { route(state, RoutePolicy::split, false); }
BENCHMARK(BM_RouteSplit1024)->Unit(benchmark::kMillisecond);
void BM_RouteAdaptive1024(benchmark::State& state) { route(state, RoutePolicy::adaptive, false); }
BENCHMARK(BM_RouteAdaptive1024)->Unit(benchmark::kMillisecond);

void BM_BuildDragonfly511(benchmark::State& state) {
  const TopologyDescription description = load_topology("dragonfly-511");
  for (auto _ : state) {
    benchmark::DoNotOptimize(build_topology(description).links.data());
  }
}
BENCHMARK(BM_BuildDragonfly511)->Unit(benchmark::kMillisecond);

void BM_PropertiesOfFatTree65536(benchmark::State& state) {
  const Topology topology = build_topology(load_topology("ft3-64"));
  for (auto _ : state) {
    benchmark::DoNotOptimize(topology_properties(topology));
  }
}
BENCHMARK(BM_PropertiesOfFatTree65536)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
