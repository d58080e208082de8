#include "calibrate/cost_model.hpp"

namespace moesaic {
namespace {

class Roofline final : public CostModel {
 public:
  Estimate cost(const Task& task, const MachineView& view) const override { return {{}, peak_seconds(task, view)}; }
  double spread(const Task&, const MachineView&) const override { return 0; }
  SoftwareTerms software() const override { return {}; }
  double reserve_fraction() const override { return 0; }
  std::string name() const override { return "peak rates"; }
};

}  // namespace

CostModelPointer roofline_cost_model() { return std::make_shared<Roofline>(); }

}  // namespace moesaic
