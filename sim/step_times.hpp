// The time of one step at every rung of the waterfall, and what it demands of each resource.
#pragma once

#include <vector>

#include "sim/executor.hpp"

namespace moesaic {

/// Seconds of one step, each rung with one more idealisation switched off, and the demands at peak rates. Averages over
/// steps are linear in these.
struct StepTimes {
  Seconds ideal{};           ///< computing tasks at peak rates; communication free
  Seconds efficient{};       ///< kernels at their achieved rates
  Seconds launched{};        ///< with launch latencies and the step's host time
  Seconds total{};           ///< with communication and copies
  StepParts parts;           ///< what the software's terms were applied to
  std::vector<double> busy;  ///< seconds at peak per resource, by ResourceId

  void add(const StepTimes& other, double weight);
};

/// Evaluates a step. A serial graph is summed in one pass; others are executed by events once per rung.
void evaluate_step(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out);

/// As evaluate_step(), where only `total` and `parts` are asked for: the other rungs of a step that is no chain are
/// left out.
void evaluate_total(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out);

/// Only what the limit needs: `ideal` and `busy`.
void evaluate_ideal(const StepGraph& graph, const MachineView& view, const CostModel& cost, StepTimes& out);

}  // namespace moesaic
