// Executes the tasks of a step in time: queues are serial, tasks that share a resource share its rate (max-min fair).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/step_costs.hpp"

namespace moesaic {

/// One task's time in a step.
struct Span {
  std::uint32_t layer = 0;  ///< position in the step, the input part first
  std::uint32_t task = 0;   ///< index into StepGraph::tasks
  Seconds start;
  Seconds end;
};

struct Timeline {
  Seconds total;
  std::vector<Span> spans;  ///< in order of their end
};

/// Executes all layers one after another, in their order, by events: a task starts when its queue is free and all it
/// waits for is done. Batches' queues of one kind take turns: they start the first task in the order written of those
/// that could, or stay with one batch until it has to wait, whichever way is shorter: schedules are made for the step.
/// What runs beside communication that holds multiprocessors goes as much slower as the cost says. Deterministic.
Timeline execute(const StepGraph& graph, const MachineView& view, const CostModel& cost, const CostLevel& level = {});

/// Only its total, from costs worked out before. Layers that are closed run once for each kind. Else equal layers run
/// until the state in which one begins is the one in which an equal one began (every queue, every task under way and
/// what is left of it): from there on layers repeat, and are added without being run. So are equal batches of a layer.
Seconds execution_time(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                       const CostLevel& level = {});
/// The same at each of several levels.
std::vector<Seconds> execution_times(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                                     std::span<const CostLevel> levels);

}  // namespace moesaic
