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
  Timeline timeline;
  timeline.total = StepRun(graph, view, costs, level, unroll(graph)).run(&timeline.spans);
  if (tries_both_turns(graph)) {
    Timeline other;
    other.total = StepRun(graph, view, costs, level, unroll(graph), Turns::on_end).run(&other.spans);
    return other.total < timeline.total ? other : timeline;
  }
  return timeline;
}

Seconds execution_time(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                       const CostLevel& level) {
  if (!graph.closed) {
    const Seconds total = StepRun(graph, view, costs, level, unroll(graph)).run(nullptr);
    return tries_both_turns(graph)
               ? std::min(total, StepRun(graph, view, costs, level, unroll(graph), Turns::on_end).run(nullptr))
               : total;
  }
  Seconds total;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const LayerGraph& layer = graph.layers[i];
    if (layer.serial) {
      for (std::uint32_t task = layer.first; task < layer.first + layer.count; ++task) {
        const LevelCost cost = at_level(graph.tasks[task], costs[task], level);
        total += Seconds{cost.latency + cost.busy} * layer.executions;
      }
    } else {
      total += StepRun(graph, view, costs, level, only_layer(i)).run(nullptr) * layer.executions;
    }
  }
  return total;
}

}  // namespace moesaic
