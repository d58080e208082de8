// Several units over one memory (a GPU with Logic-PIM, arXiv:2409.01141): each operator goes to the unit that finishes
// it first at peak rates, so low arithmetic intensity goes to the unit with the wide channel and high to the one with
// FLOPs.
#include <algorithm>

#include "base/error.hpp"
#include "model/placement.hpp"

namespace moesaic {
namespace {

double peak_seconds(const MachineView& view, const UnitView& unit, const Work& work) {
  return std::max(work.flops.value * unit.seconds_per_flop[static_cast<std::size_t>(work.arithmetic)],
                  work.memory().value / view.resources[unit.memory].capacity);
}

class TwoUnit final : public Placement {
 public:
  std::string_view name() const override { return "two-unit"; }
  MemoryHomes homes() const override { return {}; }
  void check(const Machine& machine) const override {
    if (machine.device.units.size() < 2) {
      throw UserError("--placement: 'two-unit' needs a device with two units; '" + machine.device.name +
                      "' has one (a machine that has two: duplex-4)");
    }
  }
  void place(LayerWriter& writer, const Operator& op, const Work& work) const override {
    if (op.kind == OperatorKind::collective) {
      writer.communicate(op, work);
      return;
    }
    const MachineView& view = writer.view();
    std::size_t best = 0;
    for (std::size_t unit = 1; unit < view.device_units; ++unit) {
      if (peak_seconds(view, view.units[unit], work) < peak_seconds(view, view.units[best], work)) {
        best = unit;
      }
    }
    writer.run(op, work, best, best == 0 ? Queue::device : Queue::second_unit);
  }
};

}  // namespace

PlacementPointer two_unit_placement() { return std::make_shared<TwoUnit>(); }

}  // namespace moesaic
