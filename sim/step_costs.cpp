#include "sim/step_costs.hpp"

#include <algorithm>

namespace moesaic {
namespace {

/// The machine with `held` multiprocessors of its main unit less.
MachineView without(const MachineView& view, double held) {
  MachineView left = view;
  UnitView& unit = left.units.front();
  const double share = (unit.multiprocessors - held) / unit.multiprocessors;
  unit.multiprocessors -= held;
  for (double& seconds : unit.seconds_per_flop) {
    seconds /= share;
  }
  return left;
}

/// Whether anything may run beside it.
bool runs_beside(const StepGraph& graph, const Task& task) {
  return task.communication && (!graph.closed || task.op.beside == Beside::starts || task.op.chunk > 0);
}

}  // namespace

void step_costs(const StepGraph& graph, const MachineView& view, const CostModel& cost, std::vector<TaskCost>& out) {
  out.resize(graph.tasks.size());
  double most = 0;
  const double host_memory = cost.attained(view).host_memory;
  for (const LayerGraph& layer : graph.layers) {
    for (std::uint32_t position = 0; position < layer.count; ++position) {
      const std::size_t i = layer.first + position;
      if (layer.is_copy(position)) {
        out[i] = out[i - layer.stride];
        continue;
      }
      const Task& task = graph.tasks[i];
      const Estimate estimate = cost.cost(task, view);
      const double held = runs_beside(graph, task) ? cost.multiprocessors(task) : 0;
      out[i] = {.latency = estimate.latency,
                .busy = estimate.busy,
                .peak = peak_seconds(task, view),
                .hold = held,
                .host_memory = host_memory};
      most = std::max(most, held);
    }
  }
  if (graph.serial || most <= 0 || view.units.empty() || view.units.front().multiprocessors <= most) {
    for (TaskCost& each : out) {
      each.hold = 0;
    }
    return;
  }
  const MachineView left = without(view, most);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].hold /= most;
    const Task& task = graph.tasks[i];
    if (task.communication || task.unit != 0 || view.units.front().on_host) {
      continue;
    }
    Task fewer = task;
    for (Demand& demand : fewer.demands) {
      if (demand.resource == view.units.front().arithmetic) {
        demand.amount *= view.units.front().multiprocessors / left.units.front().multiprocessors;
      }
    }
    const auto ratio = [](Seconds slow, Seconds fast) { return fast.value > 0 ? std::max(1.0, slow / fast) : 1.0; };
    out[i].slowed = ratio(cost.cost(fewer, left).busy, out[i].busy);
    out[i].peak_slowed = ratio(peak_seconds(fewer, left), out[i].peak);
  }
}

LevelCost at_level(const Task& task, const TaskCost& cost, const CostLevel& level) {
  if (task.communication && !level.communication) {
    return {};
  }
  return {level.latency ? cost.latency.value : 0, (level.kernel_efficiency ? cost.busy : cost.peak).value,
          level.kernel_efficiency ? cost.slowed : cost.peak_slowed, cost.hold,
          level.kernel_efficiency ? cost.host_memory : 1};
}

}  // namespace moesaic
