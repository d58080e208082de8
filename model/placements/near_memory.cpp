// A device with a unit beside its memory: decode attention and experts where little is computed with each byte, the
// rest on the processor; both at once where they read different banks (Duplex, arXiv:2409.01141, section V).
#include <algorithm>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/expert_series.hpp"
#include "model/near_memory_description.hpp"
#include "model/placement.hpp"

namespace moesaic {
namespace {

/// The unit beside the memory, by its place among the device's `count`; `count` if there is none of that name.
template <class Units>
std::size_t beside_memory(const Units& units, std::size_t count, const std::string& wanted) {
  std::size_t place = 1;
  while (!wanted.empty() && place < count && units[place].name != wanted) {
    ++place;
  }
  return place;
}

class NearMemory final : public Placement {
 public:
  explicit NearMemory(NearMemoryDescription description) : is_(std::move(description)) {}

  std::string_view name() const override { return is_.name; }
  MemoryHomes homes() const override { return {}; }

  void check(const Machine& machine) const override {
    const std::vector<Unit>& units = machine.device.units;
    if (units.size() < 2) {
      throw UserError("--placement: '" + is_.name + "' needs a device with a unit beside its memory; '" +
                      machine.device.name + "' has one unit (a machine that has two: duplex-4)");
    }
    if (beside_memory(units, units.size(), is_.unit) == units.size()) {
      std::vector<std::string> names;
      for (std::size_t i = 1; i < units.size(); ++i) {
        names.push_back(units[i].name);
      }
      throw UserError("--placement: '" + is_.name + "' wants the unit \"" + printable(is_.unit) +
                      "\" beside the memory of '" + machine.device.name + "'" + suggest(is_.unit, names));
    }
  }

  void place(LayerWriter& writer, const Operator& op, const Work& work) const override {
    if (op.kind == OperatorKind::collective) {
      join(writer, writer.communicate(op, work));
      return;
    }
    const UnitRules& rules = writer.only_decodes() ? is_.decode : is_.mixed;
    const std::size_t memory = memory_unit(writer.view());
    if (op.kind == OperatorKind::attention_decode || op.kind == OperatorKind::attention_prefill) {
      const bool decode = op.kind == OperatorKind::attention_decode;
      const UnitChoice choice = decode ? rules.decode_attention : rules.others;
      place_attention(writer, op, work, chosen(choice, writer.view(), work) ? memory : 0);
    } else if (op.kind == OperatorKind::experts) {
      place_experts(writer, op, work, rules.experts, memory);
    } else {
      run(writer, op, work, chosen(rules.others, writer.view(), work) ? memory : 0, true);
    }
  }

  /// Both units' results are there before the next layer begins.
  void end_batch(LayerWriter& writer) const override {
    if (writer.notes().beside >= 0) {
      const Operator add{OperatorKind::activation, "add both units' results",
                         Elementwise{.elements_read = 2 * writer.notes().elements,
                                     .elements_written = writer.notes().elements,
                                     .flops_per_element = 1,
                                     .type = writer.notes().activations}};
      run(writer, add, work(add), 0, true);
    }
  }

 private:
  std::size_t memory_unit(const MachineView& view) const {
    return beside_memory(view.units, view.device_units, is_.unit);
  }

  static double seconds(const MachineView& view, const UnitView& unit, const Work& work) {
    return std::max(work.flops.value * unit.seconds_per_flop[static_cast<std::size_t>(work.arithmetic)],
                    work.memory().value / view.resources[unit.memory].capacity);
  }

  /// Whether the unit beside the memory runs it.
  bool chosen(UnitChoice choice, const MachineView& view, const Work& work) const {
    return choice == UnitChoice::near_memory ||
           (choice == UnitChoice::faster &&
            seconds(view, view.units[memory_unit(view)], work) < seconds(view, view.units[0], work));
  }

  /// What runs beside the chain has to be done too.
  static void join(LayerWriter& writer, int task) {
    LayerWriter::Notes& notes = writer.notes();
    writer.wait(task, notes.beside);
    notes.beside = notes.attention_from = -1;
    notes.attends = false;
  }

  int run(LayerWriter& writer, const Operator& op, const Work& work, std::size_t unit, bool joins) const {
    const int task = writer.run(op, work, unit, unit == 0 ? Queue::device : Queue::second_unit);
    if (joins) {
      join(writer, task);
    }
    if (is_.bank_conflicts > 0) {
      const MachineView& view = writer.view();
      const ResourceId own = view.units[unit].memory, other = view.units[unit == 0 ? memory_unit(view) : 0].memory;
      const double seconds = work.memory().value / view.resources[own].capacity;
      writer.task(task).demands.push_back({other, is_.bank_conflicts * seconds * view.resources[other].capacity});
    }
    return task;
  }

  /// Sequences that decode and prompts wait for the same operator before them, and for each other only on one unit.
  void place_attention(LayerWriter& writer, const Operator& op, const Work& work, std::size_t unit) const {
    if (writer.only_decodes()) {
      run(writer, op, work, unit, true);
      return;
    }
    LayerWriter::Notes& notes = writer.notes();
    if (!notes.attends) {
      notes.attends = true;
      notes.attention_from = writer.last();
    }
    if (unit == 0) {
      run(writer, op, work, unit, false);
      return;
    }
    const int chain = writer.last();
    writer.chain(notes.beside >= 0 ? notes.beside : notes.attention_from);
    notes.beside = run(writer, op, work, unit, false);
    writer.chain(chain);
  }

  void place_experts(LayerWriter& writer, const Operator& op, const Work& whole, UnitChoice choice,
                     std::size_t memory) const {
    const MachineView& view = writer.view();
    const auto& experts = std::get<GroupedGemm>(op.shape);
    const auto times = [&](std::size_t unit) {
      const UnitView& on = view.units[unit];
      return expert_times(experts, Seconds{on.seconds_per_flop[static_cast<std::size_t>(whole.arithmetic)]},
                          BytesPerSecond{view.resources[on.memory].capacity});
    };
    const ExpertPart all{experts.experts, experts.rows, experts.distinct, experts.even};
    CoProcessed parts{all, {}};
    if (choice == UnitChoice::co_processed) {
      parts = co_process(experts, is_.expert_groups.value_or(view.memory_spaces), times(0), times(memory));
    } else if (choice == UnitChoice::near_memory ||
               (choice == UnitChoice::faster &&
                in_series(all, experts.tokens, times(memory)) < in_series(all, experts.tokens, times(0)))) {
      parts = {{}, all};
    }
    if (parts.processor.rows <= 0 || parts.memory.rows <= 0) {
      run(writer, op, whole, parts.processor.rows <= 0 ? memory : 0, true);
      return;
    }
    LayerWriter::Notes& notes = writer.notes();
    notes.elements = experts.tokens * experts.hidden;
    notes.activations = experts.activations;
    const int routed = writer.last();
    const auto place_part = [&](const char* label, const ExpertPart& part, std::size_t unit) {
      Operator result = op;
      result.label = label;
      result.shape = part_of(experts, part);
      return run(writer, result, work(result), unit, false);
    };
    const int beside = place_part("experts near memory", parts.memory, memory);
    writer.chain(routed);
    join(writer, place_part("experts", parts.processor, 0));
    notes.beside = beside;
  }

  NearMemoryDescription is_;
};

}  // namespace

PlacementPointer near_memory_placement(const NearMemoryDescription& description) {
  return std::make_shared<NearMemory>(description);
}

}  // namespace moesaic
