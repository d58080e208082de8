// What each task of a step costs on its own, once for all layers of its kind and all idealisations.
#pragma once

#include <vector>

#include "calibrate/cost_model.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// What to leave out of a task's cost: the idealisations of the waterfall.
struct CostLevel {
  bool kernel_efficiency = true;  ///< false: peak rates
  bool latency = true;            ///< false: no launch latencies
  bool communication = true;      ///< false: collectives and copies are free
};

struct TaskCost {
  Seconds latency{};
  Seconds busy{};
  Seconds peak{};     ///< busy at peak rates
  double hold = 0;    ///< of the largest number of multiprocessors that any communication of the step holds
  double slowed = 1;  ///< how much longer `busy` is with that number of them less
  double peak_slowed = 1;
  double host_memory = 1;  ///< share of the host's memory bandwidth that its users together can have
};

/// Costs of graph.tasks, by index. Communication may hold multiprocessors while it runs (DeepEP's normal kernels,
/// NCCL's channels): tasks of the device's main unit that run beside it are costed once more on a machine that has only
/// the others. Chains have nothing beside, so their `slowed` are left at one.
void step_costs(const StepGraph& graph, const MachineView& view, const CostModel& cost, std::vector<TaskCost>& out);

/// The fixed part and the busy part of a task at a level.
struct LevelCost {
  double latency = 0;
  double busy = 0;
  double slowed = 1;
  double hold = 0;
  double host_memory = 1;
};
LevelCost at_level(const Task& task, const TaskCost& cost, const CostLevel& level);

}  // namespace moesaic
