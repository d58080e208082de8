// How long a task takes on its own: the seam between shapes and time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/config.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/software_terms.hpp"
#include "model/machine_view.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// Time of one task with nothing beside it: a fixed part, then a part in which its resources are busy.
struct Estimate {
  Seconds latency{};
  Seconds busy{};  ///< never below peak_seconds()
  Seconds median() const { return latency + busy; }
};

class CostModel {
 public:
  virtual ~CostModel() = default;
  virtual Estimate cost(const Task& task, const MachineView& view) const = 0;
  /// Relative standard deviation of the cost. Errors of one operator kind are thought to have the same sign.
  virtual double spread(const Task& task, const MachineView& view) const = 0;
  /// Multiprocessors of the main unit that communication keeps, while it runs, from what computes beside it.
  virtual double multiprocessors(const Task&) const { return 0; }
  /// What of the machine's peak figures kernels of the host and copies have.
  virtual Attained attained(const MachineView&) const { return {}; }
  /// What the engine adds to the kernels of a step.
  virtual SoftwareTerms software() const = 0;
  /// Share of a device's memory that the runtime keeps for itself.
  virtual double reserve_fraction() const = 0;
  virtual std::string name() const = 0;
};

using CostModelPointer = std::shared_ptr<const CostModel>;

/// The longest of demand / capacity over the task's resources: what the hardware's peak figures allow.
Seconds peak_seconds(const Task& task, const MachineView& view);

/// `estimate`, of a kernel of the device no faster than what the machine's own file says that the device attains.
Estimate no_faster_than_attained(Estimate estimate, const Task& task, const MachineView& view);

/// Peak rates, no latencies, no overheads.
CostModelPointer roofline_cost_model();

/// One achieved fraction of compute and bandwidth per operator kind, launch latencies and collective latencies, from a
/// configuration like configs/profiles/default.json. Throws UserError.
CostModelPointer efficiency_cost_model(const Config& config);

/// configs/profiles/default.json as such a model.
CostModelPointer default_cost_model();

/// From measured kernels. `profiles`, not empty, are tried in the order of ProfileShelf::find for a device of this
/// name; what none of them covers costs default efficiencies.
/// Steps have the shipped terms of the stack's engine, or the default host time where it has none.
CostModelPointer calibrated_cost_model(std::vector<Profile> profiles, const std::string& device,
                                       const std::string& stack);

/// The shipped profiles for a machine: its device's own, else those of the nearest measured device. `stack`: "vllm",
/// "trtllm-1.3", ... or empty for vLLM where it was measured. Null if no profile has such
/// a stack, or the machine's main unit is no GPU, as all measured ones are.
CostModelPointer measured_cost_model(const Machine& machine, const std::string& stack);

/// A cost model by name: "measured" (the profile that the machine's file brings, else shipped ones) or a stack's name
/// ("vllm", "trtllm") for the shipped profiles nearest to the machine, "default" (efficiencies), "peak" (the roofline),
/// or a file of either kind. Throws UserError with the nearest name.
CostModelPointer load_cost_model(const std::string& name_or_file, const Machine& machine);

}  // namespace moesaic
