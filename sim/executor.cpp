#include "sim/executor.hpp"

#include <algorithm>
#include <utility>

#include "sim/step_run.hpp"

namespace moesaic {

namespace {

/// Where many batches take turns both orders come to the same; two may gain by staying with one.
bool tries_both_turns(const StepGraph& graph) { return graph.batches == 2; }

}  // namespace

Timeline execute(const StepGraph& graph, const MachineView& view, const CostModel& cost, const CostLevel& level) {
  std::vector<TaskCost> costs;
  step_costs(graph, view, cost, costs);
  StepRun run(graph, view, costs, unroll(graph));
  Timeline timeline;
  timeline.total = run.run(level, Turns::in_order, &timeline.spans);
  if (tries_both_turns(graph)) {
    Timeline other;
    other.total = run.run(level, Turns::on_end, &other.spans);
    return other.total < timeline.total ? other : timeline;
  }
  return timeline;
}

Seconds execution_time(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                       const CostLevel& level) {
  return execution_times(graph, view, costs, {&level, 1}).front();
}

std::vector<Seconds> execution_times(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                                     std::span<const CostLevel> levels) {
  std::vector<Seconds> totals(levels.size());
  const auto each_level = [&](auto seconds) {
    for (std::size_t i = 0; i < levels.size(); ++i) {
      totals[i] += seconds(levels[i]);
    }
  };
  if (!graph.closed) {
    StepRun run(graph, view, costs, unroll(graph));
    each_level([&](const CostLevel& level) {
      const Seconds total = run.run(level, Turns::in_order);
      return tries_both_turns(graph) ? std::min(total, run.run(level, Turns::on_end)) : total;
    });
    return totals;
  }
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const LayerGraph& layer = graph.layers[i];
    if (layer.serial) {
      for (std::uint32_t task = layer.first; task < layer.first + layer.count; ++task) {
        each_level([&](const CostLevel& level) {
          const LevelCost cost = at_level(graph.tasks[task], costs[task], level);
          return Seconds{cost.latency + cost.busy} * layer.executions;
        });
      }
    } else {
      StepRun run(graph, view, costs, only_layer(i));
      each_level([&](const CostLevel& level) { return run.run(level, Turns::in_order) * layer.executions; });
    }
  }
  return totals;
}

}  // namespace moesaic
