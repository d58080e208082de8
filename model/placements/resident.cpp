// Everything on the device: the plain placement of GPU serving.
#include "model/placement.hpp"

namespace moesaic {
namespace {

class Resident final : public Placement {
 public:
  std::string_view name() const override { return "resident"; }
  MemoryHomes homes() const override { return {}; }
  bool several_batches() const override { return true; }
  void check(const Machine&) const override {}
  void place(LayerWriter& writer, const Operator& op, const Work& work) const override {
    if (op.kind == OperatorKind::collective) {
      writer.communicate(op, work);
    } else {
      writer.run(op, work, 0, Queue::device);
    }
  }
};

}  // namespace

PlacementPointer resident_placement() { return std::make_shared<Resident>(); }

}  // namespace moesaic
