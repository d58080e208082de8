// The energy of a step's work: what units, channels to memory and links take for it, whatever is drawn besides.
#pragma once

#include <vector>

#include "model/step_graph.hpp"

namespace moesaic {

struct UnitWorkEnergy {
  std::string unit;
  Joules memory;  ///< through its channel
  Joules arithmetic;
};

/// Of one rank, the sum over all tasks; zero where the machine's file does not say what something takes. Of the host
/// only what its own file says. Copies between host and device, either way, and reads and writes of drives take what
/// the link and the host's memory take for the bytes that they demand of them.
struct WorkEnergy {
  std::vector<UnitWorkEnergy> units;  ///< as in MachineView
  Joules links;                       ///< between devices, to the host, and to a unit with a memory of its own

  Joules total() const;
  bool known() const { return total() > Joules{}; }
  void add(const WorkEnergy& other, double times);
};

WorkEnergy work_energy(const StepGraph& graph, const MachineView& view);

}  // namespace moesaic
