// Speed of flows: an all-to-all of 1,024 ranks in 100 ms and 500 MB, one of 128 ranks whose flows all end at different
// times in seconds, a folded one of 8,192 ranks in 1 s. `peak_MB` is what the program has held at most since the
// benchmark began.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

#include "hw/topology_description.hpp"
#include "sim/flows.hpp"
#include "sim/simgrid_flows.hpp"

namespace moesaic {
namespace {

constexpr Link kWire{.name = "", .bandwidth = {50e9}, .latency = {1e-6}};
constexpr Link kScaleUp{.name = "", .bandwidth = {160e9}, .latency = {1e-6}};

NodeDescription node(int devices) {
  NodeDescription result;
  result.kind = devices == 1 ? NodeKind::single : NodeKind::switched;
  result.devices = result.adapters = devices;
  result.scale_up = kScaleUp;
  return result;
}

TopologyDescription description(FabricKind kind, int devices, int nodes) {
  TopologyDescription result{"bench", node(devices), {}, nodes};
  result.fabric.kind = kind;
  result.fabric.endpoint = result.fabric.trunk = kWire;
  return result;
}

Topology leaf_spine(int leaves, int spines, int nodes) {
  TopologyDescription result = description(FabricKind::leaf_spine, 1, nodes);
  result.fabric.leaves = leaves;
  result.fabric.spines = spines;
  return build_topology(result);
}

Topology planes(int nodes, int ports) {
  TopologyDescription result = description(FabricKind::multi_plane_fat_tree, 8, nodes);
  result.fabric.planes = 8;
  result.fabric.ports = ports;
  return build_topology(result);
}

Topology fat_tree(int ports, int nodes) {
  TopologyDescription result = description(FabricKind::fat_tree, 1, nodes);
  result.fabric.ports = ports;
  result.fabric.levels = 3;
  return build_topology(result);
}

/// Every rank to every other; each size between a half and three halves of a megabyte if `vary`.
std::vector<Demanded> every_pair(const Topology& topology, bool vary = false) {
  std::mt19937_64 random(1);
  std::vector<Demanded> flows;
  for (std::uint32_t i = 0; i < topology.devices; ++i) {
    for (std::uint32_t j = 0; j < topology.devices; ++j) {
      if (i != j) {
        flows.push_back({i, j, vary ? 1e6 * (0.5 + static_cast<double>(random() >> 11) * 0x1p-53) : 1e6});
      }
    }
  }
  return flows;
}

double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::strtod(line.c_str() + 6, nullptr) * 1024 / 1e6;
    }
  }
  return 0;
}

/// Linux takes the present memory as the peak from here on.
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void routed(benchmark::State& state, const Topology& topology) {
  const std::vector<Demanded> demands = every_pair(topology);
  for (auto _ : state) {
    benchmark::DoNotOptimize(route_flows(topology, {}, demands));
  }
}

/// Routing apart: only what this room does.
void solved(benchmark::State& state, const Topology& topology, double goal_ms) {
  const std::vector<Demanded> demands = every_pair(topology);
  const Routes routes = route_flows(topology, {}, demands);
  forget_peak();
  std::size_t events = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Routes given = routes;
    state.ResumeTiming();
    const FlowProblem problem = flow_problem(topology, std::move(given), demands);
    events = run_flows(problem).events;
  }
  state.counters["flows"] = static_cast<double>(demands.size());
  state.counters["events"] = static_cast<double>(events);
  state.counters["peak_MB"] = peak_megabytes();
  state.counters["goal_ms"] = goal_ms;
}

void BM_RouteLeafSpine1024(benchmark::State& state) { routed(state, leaf_spine(32, 32, 1024)); }
BENCHMARK(BM_RouteLeafSpine1024)->Unit(benchmark::kMillisecond);

void BM_FlowsLeafSpine1024(benchmark::State& state) { solved(state, leaf_spine(32, 32, 1024), 100); }
BENCHMARK(BM_FlowsLeafSpine1024)->Unit(benchmark::kMillisecond);

void BM_FlowsTaper1024(benchmark::State& state) { solved(state, leaf_spine(32, 16, 1024), 100); }
BENCHMARK(BM_FlowsTaper1024)->Unit(benchmark::kMillisecond);

void BM_RoutePlanes1024(benchmark::State& state) { routed(state, planes(128, 64)); }
BENCHMARK(BM_RoutePlanes1024)->Unit(benchmark::kMillisecond);

void BM_FlowsPlanes1024(benchmark::State& state) { solved(state, planes(128, 64), 100); }
BENCHMARK(BM_FlowsPlanes1024)->Unit(benchmark::kMillisecond);

void BM_MaxMinRates1024(benchmark::State& state) {
  const Topology topology = planes(128, 64);
  const std::vector<Demanded> demands = every_pair(topology);
  const FlowProblem problem = flow_problem(topology, route_flows(topology, {}, demands), demands);
  for (auto _ : state) {
    benchmark::DoNotOptimize(max_min_rates(problem));
  }
}
BENCHMARK(BM_MaxMinRates1024)->Unit(benchmark::kMillisecond);

/// One argument: ends closer than 10^-N count as one.
void BM_FlowsDifferentSizes128(benchmark::State& state) {
  const Topology topology = leaf_spine(8, 8, 128);
  const std::vector<Demanded> demands = every_pair(topology, true);
  const FlowProblem problem = flow_problem(topology, route_flows(topology, {}, demands), demands);
  const double tolerance = std::pow(10.0, -static_cast<double>(state.range(0)));
  std::size_t events = 0;
  for (auto _ : state) {
    events = run_flows(problem, tolerance).events;
  }
  state.counters["events"] = static_cast<double>(events);
  state.counters["goal_ms"] = 5000;
}
BENCHMARK(BM_FlowsDifferentSizes128)->Arg(9)->Arg(3)->Unit(benchmark::kMillisecond);

/// All of a million flows have rates of their own.
void BM_MaxMinRatesDifferent1024(benchmark::State& state) {
  const Topology topology = leaf_spine(32, 16, 1024);
  const std::vector<Demanded> demands = every_pair(topology);
  FlowProblem problem = flow_problem(topology, route_flows(topology, {}, demands), demands);
  std::mt19937_64 random(1);
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    problem.multiplicity.push_back(0.5 + static_cast<double>(random() >> 11) * 0x1p-53);
  }
  forget_peak();
  for (auto _ : state) {
    benchmark::DoNotOptimize(max_min_rates(problem));
  }
  state.counters["peak_MB"] = peak_megabytes();
}
BENCHMARK(BM_MaxMinRatesDifferent1024)->Unit(benchmark::kMillisecond);

void folded(benchmark::State& state, const Topology& topology) {
  std::size_t rows = 0;
  for (auto _ : state) {
    const FlowProblem problem = folded_all_to_all(topology, {}, Bytes{1e6});
    benchmark::DoNotOptimize(run_flows(problem));
    rows = problem.flows();
  }
  state.counters["rows"] = static_cast<double>(rows);
  state.counters["goal_ms"] = 1000;
}

void BM_FoldedPlanes8192(benchmark::State& state) { folded(state, planes(1024, 128)); }
BENCHMARK(BM_FoldedPlanes8192)->Unit(benchmark::kMillisecond);

void BM_FoldedFatTree8192(benchmark::State& state) { folded(state, fat_tree(64, 8192)); }
BENCHMARK(BM_FoldedFatTree8192)->Unit(benchmark::kMillisecond);

void BM_FoldedTorus8192(benchmark::State& state) {
  TopologyDescription torus = description(FabricKind::torus, 1, 0);
  torus.fabric.dimensions = {16, 16, 32};
  folded(state, build_topology(torus));
}
BENCHMARK(BM_FoldedTorus8192)->Unit(benchmark::kMillisecond);

/// Its process included.
void BM_SimGridStar128(benchmark::State& state) {
  if (!find_simgrid()) {
    state.SkipWithError("moesaic was built without SimGrid");
    return;
  }
  const Topology topology = leaf_spine(1, 1, 128);
  const std::vector<Demanded> demands = every_pair(topology);
  const FlowProblem problem = flow_problem(topology, route_flows(topology, {}, demands), demands);
  for (auto _ : state) {
    benchmark::DoNotOptimize(run_flows_in_simgrid(problem));
  }
  state.counters["goal_ms"] = 2000;
}
BENCHMARK(BM_SimGridStar128)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace moesaic
