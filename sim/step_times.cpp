#include "sim/step_times.hpp"

namespace moesaic {
namespace {

void sum_serial(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out) {
  for (const LayerGraph& layer : graph.layers) {
    Seconds ideal, busy, latency, communication;
    for (const Task& task : graph.tasks_of(layer)) {
      const Estimate estimate = cost.cost(task, view);
      if (task.communication) {
        communication += estimate.median();
      } else {
        ideal += peak_seconds(task, view);
        busy += estimate.busy;
        latency += estimate.latency;
      }
    }
    out.ideal += ideal * layer.executions;
    out.efficient += busy * layer.executions;
    out.launched += (busy + latency) * layer.executions;
    out.total += (busy + latency + communication) * layer.executions;
  }
}

}  // namespace

void StepTimes::add(const StepTimes& other, double weight) {
  ideal += other.ideal * weight;
  efficient += other.efficient * weight;
  launched += other.launched * weight;
  total += other.total * weight;
  busy.resize(other.busy.size());
  for (std::size_t i = 0; i < busy.size(); ++i) {
    busy[i] += other.busy[i] * weight;
  }
}

namespace {

void sum_demands(const StepGraph& graph, const MachineView& view, StepTimes& out) {
  out.ideal = out.efficient = out.launched = out.total = Seconds{0};
  out.busy.assign(view.resources.size(), 0);
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      for (const Demand& demand : task.demands) {
        out.busy[demand.resource] += demand.amount / view.resources[demand.resource].capacity * layer.executions;
      }
    }
  }
}

}  // namespace

void evaluate_ideal(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out) {
  sum_demands(graph, view, out);
  if (!graph.serial) {
    std::vector<TaskCost> costs;
    step_costs(graph, view, cost, costs);
    out.ideal = execution_time(graph, view, costs, {false, false, false});
    return;
  }
  for (const LayerGraph& layer : graph.layers) {
    Seconds ideal;
    for (const Task& task : graph.tasks_of(layer)) {
      ideal += task.communication ? Seconds{0} : peak_seconds(task, view);
    }
    out.ideal += ideal * layer.executions;
  }
}

namespace {

void count_parts(const StepGraph& graph, const MachineView& view, StepParts& parts) {
  parts = {};
  parts.sequences = graph.sequences;
  parts.tokens = graph.tokens;
  parts.captured = graph.only_decodes;
  for (const LayerGraph& layer : graph.layers) {
    parts.launches += layer.count * layer.executions;
    for (const Task& task : graph.tasks_of(layer)) {
      const auto* scores = std::get_if<SoftmaxScores>(&task.op.shape);
      if (scores != nullptr && task.op.kind == OperatorKind::attention_decode && !scores->shared_kv) {
        parts.unshared += peak_seconds(task, view) * (scores->heads / scores->kv_heads - 1) * layer.executions;
      }
    }
  }
}

}  // namespace

void evaluate_step(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out) {
  sum_demands(graph, view, out);
  if (graph.serial) {
    sum_serial(graph, view, cost, out);
  } else {
    std::vector<TaskCost> costs;
    step_costs(graph, view, cost, costs);
    constexpr CostLevel kLevels[] = {
        {false, false, false}, {true, false, false}, {true, true, false}, {true, true, true}};
    const std::vector<Seconds> seconds = execution_times(graph, view, costs, kLevels);
    out.ideal = seconds[0];
    out.efficient = seconds[1];
    out.launched = seconds[2];
    out.total = seconds[3];
  }
  const SoftwareTerms software = cost.software();
  count_parts(graph, view, out.parts);
  out.parts.device = out.launched;
  out.launched = software.step(out.parts);
  out.parts.device = out.total;
  out.total = software.step(out.parts);
}

void evaluate_total(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out) {
  if (graph.serial) {
    evaluate_step(graph, view, cost, out);
    return;
  }
  out = {};
  std::vector<TaskCost> costs;
  step_costs(graph, view, cost, costs);
  count_parts(graph, view, out.parts);
  out.parts.device = execution_time(graph, view, costs, {true, true, true});
  out.total = cost.software().step(out.parts);
}

}  // namespace moesaic
