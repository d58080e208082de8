#include <algorithm>

#include "calibrate/cost_model.hpp"

namespace moesaic {
namespace {

class Roofline final : public CostModel {
 public:
  Estimate cost(const Task& task, const MachineView& view) const override { return {{}, peak_seconds(task, view), 0}; }
  Seconds step_overhead() const override { return {}; }
  double reserve_fraction() const override { return 0; }
  std::string name() const override { return "peak rates"; }
};

}  // namespace

Seconds peak_seconds(const Task& task, const MachineView& view) {
  double longest = 0;
  for (const Demand& demand : task.demands) {
    longest = std::max(longest, demand.amount / view.resources[demand.resource].capacity);
  }
  return {longest};
}

CostModelPointer roofline_cost_model() { return std::make_shared<Roofline>(); }

}  // namespace moesaic
