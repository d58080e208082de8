// Executes the tasks of a step in time: queues are serial, tasks that share a resource share its rate (max-min fair).
#pragma once

#include <cstdint>
#include <vector>

#include "calibrate/cost_model.hpp"
#include "model/step_graph.hpp"

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

/// What to leave out of a task's cost: the idealisations of the waterfall.
struct CostLevel {
  bool kernel_efficiency = true;  ///< false: peak rates
  bool latency = true;            ///< false: no launch latencies
  bool communication = true;      ///< false: collectives and copies are free
};

/// Cost of one task at a level.
Estimate cost_at_level(const Task& task, const MachineView& view, const CostModel& cost, const CostLevel& level);

/// Executes all layers one after another, in their order, by events: a task starts when its queue is free and all it
/// waits for is done. Deterministic.
Timeline execute(const StepGraph& graph, const MachineView& view, const CostModel& cost, const CostLevel& level = {});

}  // namespace moesaic
