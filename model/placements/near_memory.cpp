// A device with a unit beside its memory: decode attention and experts where little is computed with each byte, the
// rest on the processor; both at once where they read different banks (Duplex, arXiv:2409.01141, section V). Where the
// unit has a memory of its own (AttAcc, ASPLOS 2024), cache and what else it works on is there, and activations cross.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/co_processing.hpp"
#include "model/feed_forward_split.hpp"
#include "model/near_memory_description.hpp"
#include "model/placement.hpp"

namespace moesaic {
namespace {

Operator handed_over(const char* label, Bytes bytes, bool to_unit, const char* what) {
  return {OperatorKind::transfer, label, Transfer{bytes, !to_unit, what, true}};
}

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
  bool several_batches() const override { return true; }

  MemoryHomes homes() const override {
    const auto never = [this](UnitChoice choice) {
      return is_.decode.experts != choice && is_.mixed.experts != choice;
    };
    const auto dense = [this](UnitChoice choice) {
      return is_.decode.of_feed_forward() == choice && is_.mixed.of_feed_forward() == choice;
    };
    const bool only = never(UnitChoice::processor) && never(UnitChoice::faster) && never(UnitChoice::co_processed);
    const bool any = is_.decode.experts != UnitChoice::processor || is_.mixed.experts != UnitChoice::processor;
    return {.cache_spaces = is_.cache_spaces.value_or(0),
            .cache_apart = true,
            .experts_apart = any,
            .experts_only_apart = only,
            .feed_forward_apart = dense(UnitChoice::processor) ? 0 : is_.copied_columns,
            .feed_forward_only_apart = dense(UnitChoice::near_memory)};
  }

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
    if (const Unit* apart = machine.device.apart()) {
      check_apart(units[beside_memory(units, units.size(), is_.unit)], *apart);
    }
  }

  void place(LayerWriter& writer, const Operator& op, const Work& work) const override {
    if (!place_feed_forward(writer, op) && !place_in_groups(writer, op)) {
      place_whole(writer, op, work);
    }
  }

  /// Both units' results are there before the next layer begins.
  void end_batch(LayerWriter& writer) const override {
    if (writer.notes().beside >= 0) {
      add_results(writer);
    }
  }

 private:
  void place_whole(LayerWriter& writer, const Operator& op, const Work& work) const {
    if (op.kind == OperatorKind::collective) {
      join(writer, writer.communicate(op, work));
      return;
    }
    const UnitRules& rules = writer.only_decodes() ? is_.decode : is_.mixed;
    const std::size_t memory = memory_unit(writer.view());
    if (op.kind == OperatorKind::attention_decode || op.kind == OperatorKind::attention_prefill) {
      const bool decode = op.kind == OperatorKind::attention_decode;
      const UnitChoice choice = decode ? rules.decode_attention : rules.others;
      place_attention(writer, op, work, chosen(choice, writer.view(), op, work) ? memory : 0);
      if (!decode) {
        migrate(writer, std::get<SoftmaxScores>(op.shape));
      }
    } else if (op.kind == OperatorKind::experts) {
      place_experts(writer, op, work, rules.experts, memory);
    } else {
      const int task = run(writer, op, work, chosen(rules.others, writer.view(), op, work) ? memory : 0, true);
      if (const auto* written = std::get_if<Elementwise>(&op.shape); written && written->cache_written > Bytes{}) {
        send_cache(writer, written->cache_written, task, memory);
      }
    }
  }

  /// Activations of operators that are neither attention nor experts would have to cross one by one.
  void check_apart(const Unit& used, const Unit& apart) const {
    const auto others = [](const UnitRules& rules) { return rules.others != UnitChoice::processor; };
    if (used.name != apart.name) {
      throw UserError("--placement: '" + is_.name + "' uses the unit \"" + printable(used.name) +
                      "\", but the cache has a memory of its own beside \"" + printable(apart.name) + "\"");
    }
    if (others(is_.decode) || others(is_.mixed)) {
      throw UserError("--placement: '" + is_.name + "' puts \"others\" on \"" + printable(apart.name) +
                      "\", which has a memory of its own; allowed there are attention and experts (\"others\": "
                      "\"processor\")");
    }
    if (is_.decode.decode_attention != UnitChoice::near_memory ||
        is_.mixed.decode_attention != UnitChoice::near_memory) {
      throw UserError("--placement: '" + is_.name +
                      "' may put \"attention\" on the processor, but the cache is in the "
                      "memory of \"" +
                      printable(apart.name) + "\" (\"attention\": \"near_memory\")");
    }
  }

  std::size_t memory_unit(const MachineView& view) const {
    return beside_memory(view.units, view.device_units, is_.unit);
  }

  static double seconds(const MachineView& view, const UnitView& unit, const Work& work) {
    return std::max(work.flops.value * unit.seconds_per_flop[static_cast<std::size_t>(work.arithmetic)],
                    (work.memory() / view.memory_rate(unit)).value);
  }

  /// Whether the unit beside the memory runs it.
  bool chosen(UnitChoice choice, const MachineView& view, const Operator& op, const Work& whole) const {
    const UnitView& beside = view.units[memory_unit(view)];
    const double passes = cache_passes(op, beside);
    return choice == UnitChoice::near_memory ||
           (choice == UnitChoice::faster && seconds(view, beside, passes > 1 ? work(in_passes(op, passes)) : whole) <
                                                seconds(view, view.units[0], whole));
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
    const MachineView& view = writer.view();
    if (is_.bank_conflicts > 0 && !view.units[memory_unit(view)].apart) {
      const ResourceId own = view.units[unit].memory, other = view.units[unit == 0 ? memory_unit(view) : 0].memory;
      const double seconds = writer.task(task).work.memory().value / view.resources[own].capacity;
      writer.task(task).demands.push_back({other, is_.bank_conflicts * seconds * view.resources[other].capacity});
    }
    return task;
  }

  /// New keys and values belong into the unit's own memory. In steps of decodes they go with the queries, for which the
  /// attention waits; those of prompts are needed a step later.
  static void send_cache(LayerWriter& writer, Bytes written, int task, std::size_t unit) {
    const bool apart = writer.view().units[unit].apart;
    if (!apart || writer.only_decodes()) {
      writer.notes().new_cache = written;
      return;
    }
    writer.hand_over(handed_over("keys and values out", written, true, "keys and values"), written, unit, true);
    writer.chain(task);
  }

  /// Prompts' keys and values are written where they do not meet those that decoding reads, and moved there after their
  /// attention, by the processor (Duplex, section V-C).
  void migrate(LayerWriter& writer, const SoftmaxScores& scores) const {
    if (!is_.cache_spaces || *is_.cache_spaces >= writer.view().memory_spaces ||
        writer.view().units[memory_unit(writer.view())].apart) {
      return;
    }
    // Of MLA less is cached than is attended over: no more moves than the layer has written.
    const double attended = scores.sequences * scores.new_tokens * scores.kv_heads *
                            (scores.shared_kv ? scores.qk_dim : scores.qk_dim + scores.v_dim);
    const double elements = std::min(attended, writer.notes().new_cache / scores.kv.bytes(1));
    const Operator move{
        OperatorKind::activation, "migrate keys and values",
        Elementwise{
            .elements_read = elements, .elements_written = elements, .flops_per_element = 0, .type = scores.kv}};
    run(writer, move, work(move), 0, false);
  }

  /// `run` on a unit; where that one is apart, with what it works on before and its results after.
  template <class Run>
  int across(LayerWriter& writer, std::size_t unit, const char* out, const char* back, Bytes there, Bytes results,
             const Run& run) const {
    if (unit == 0 || !writer.view().units[unit].apart) {
      return run();
    }
    writer.hand_over(handed_over(out, there, true, "activations"), there, unit, true);
    run();
    return writer.hand_over(handed_over(back, results, false, "activations"), results, unit, false);
  }

  /// What activations that cross, and as many results, take on the link to a unit; nothing where it is not apart.
  static Seconds both_ways(const MachineView& view, std::size_t unit, Bytes bytes) {
    const UnitView& on = view.units[unit];
    return on.apart ? (on.link_latency + bytes / BytesPerSecond{view.resources[on.link_out].capacity}) * 2 : Seconds{};
  }

  int attend(LayerWriter& writer, const Operator& op, const Work& work, std::size_t unit, bool joins) const {
    const auto& scores = std::get<SoftmaxScores>(op.shape);
    const double rows = scores.sequences * scores.new_tokens * scores.heads;
    const Bytes there = scores.activations.bytes(rows * scores.qk_dim) +
                        (writer.only_decodes() ? std::exchange(writer.notes().new_cache, {}) : Bytes{});
    const int done =
        across(writer, unit, "queries out", "attention in", there, scores.activations.bytes(rows * scores.v_dim),
               [&] { return run(writer, op, work, unit, false); });
    if (joins) {
      join(writer, done);
    }
    return done;
  }

  /// Sequences that decode and prompts wait for the same operator before them, and for each other only on one unit.
  void place_attention(LayerWriter& writer, const Operator& op, const Work& work, std::size_t unit) const {
    if (writer.only_decodes()) {
      attend(writer, op, work, unit, true);
      return;
    }
    LayerWriter::Notes& notes = writer.notes();
    if (!notes.attends) {
      notes.attends = true;
      notes.attention_from = writer.last();
    }
    if (unit == 0) {
      bring_cache(writer, std::get<SoftmaxScores>(op.shape).cached);
      run(writer, op, work, unit, false);
      return;
    }
    const int chain = writer.last();
    writer.chain(notes.beside >= 0 ? notes.beside : notes.attention_from);
    notes.beside = attend(writer, op, work, unit, false);
    writer.chain(chain);
  }

  /// What earlier parts of a prompt left in the unit's own memory, for the processor to attend over.
  void bring_cache(LayerWriter& writer, Bytes cached) const {
    const std::size_t unit = memory_unit(writer.view());
    if (cached > Bytes{} && writer.view().units[unit].apart) {
      writer.hand_over(handed_over("cache in", cached, false, "cached keys and values"), cached, unit, false);
    }
  }

  /// One of `groups` groups of heads of an operator of attention.
  static Operator of_heads(const Operator& op, double groups) {
    Operator part = op;
    if (auto* product = std::get_if<Gemm>(&part.shape)) {
      product->n /= groups;
    } else if (auto* written = std::get_if<Elementwise>(&part.shape)) {
      written->elements_read /= groups;
      written->elements_written /= groups;
      written->weights = written->weights / groups;
      written->cache_written = written->cache_written / groups;
    } else if (auto* scores = std::get_if<SoftmaxScores>(&part.shape)) {
      scores->heads /= groups;
      scores->kv_heads /= groups;
      scores->cached = scores->cached / groups;
    }
    return part;
  }

  /// Attention of decoding sequences in groups of heads: the processor goes on to the next group's queries, keys and
  /// values while one's attention runs near the memory, and to the outputs of those that are done (AttAcc, ASPLOS
  /// 2024). What comes before attention waits until that is there. False: the operator is placed as any other one.
  bool place_in_groups(LayerWriter& writer, const Operator& op) const {
    LayerWriter::Notes& notes = writer.notes();
    const bool attention = op.kind == OperatorKind::attention_decode;
    if (!writer.only_decodes() || is_.head_groups < 2 || is_.decode.others != UnitChoice::processor ||
        is_.decode.decode_attention != UnitChoice::near_memory) {
      return false;
    }
    const bool before =
        op.kind == OperatorKind::projection || op.kind == OperatorKind::norm || op.kind == OperatorKind::rotary;
    if (before && (!notes.held.empty() || std::string_view(op.label) == "qkv")) {
      notes.held.push_back(op);
      return true;
    }
    if (!attention && !notes.held.empty()) {  // of a layer without scores
      for (const Operator& held : std::exchange(notes.held, {})) {
        place_whole(writer, held, work(held));
      }
    }
    if (attention && (!notes.held.empty() || !notes.begun.empty())) {
      const double heads = std::get<SoftmaxScores>(op.shape).kv_heads;
      const auto groups =
          static_cast<std::size_t>(std::clamp(std::floor(heads), 1.0, static_cast<double>(is_.head_groups)));
      for (std::size_t group = 0; group < groups; ++group) {
        attend_group(writer, op, group, static_cast<double>(groups));
      }
      notes.held.clear();
      return true;
    }
    if (notes.attended.empty()) {
      return false;
    }
    const std::vector<int> attended = std::exchange(notes.attended, {});
    writer.chain(std::exchange(notes.begun, {}).back());
    const bool outputs = op.kind == OperatorKind::projection;
    const Operator part = outputs ? of_heads(op, static_cast<double>(attended.size())) : op;
    for (std::size_t group = 0; group < attended.size(); ++group) {
      if (outputs || group + 1 == attended.size()) {
        const int task = op.kind == OperatorKind::collective ? writer.communicate(part, work(part))
                                                             : run(writer, part, work(part), 0, false);
        join(writer, task);
        writer.wait(task, attended[group]);
      }
    }
    return true;
  }

  /// What is held before attention, and attention itself, of one group of heads.
  void attend_group(LayerWriter& writer, const Operator& op, std::size_t group, double groups) const {
    LayerWriter::Notes& notes = writer.notes();
    const std::size_t memory = memory_unit(writer.view());
    for (const Operator& before : notes.held) {
      const Operator part = of_heads(before, groups);
      const int task = run(writer, part, work(part), 0, true);
      if (const auto* written = std::get_if<Elementwise>(&part.shape); written && written->cache_written > Bytes{}) {
        send_cache(writer, written->cache_written, task, memory);
      }
    }
    if (!notes.held.empty()) {
      notes.begun.push_back(writer.last());
      notes.attended.push_back(-1);
    }
    writer.chain(notes.begun[group]);
    const Operator part = of_heads(op, groups);
    notes.attended[group] = attend(writer, part, work(part), memory, false);
    writer.chain(notes.begun.back());
  }

  /// `notes.elements` of both units.
  void add_results(LayerWriter& writer) const {
    const Operator add{OperatorKind::activation, "add both units' results",
                       Elementwise{.elements_read = 2 * writer.notes().elements,
                                   .elements_written = writer.notes().elements,
                                   .flops_per_element = 1,
                                   .type = writer.notes().activations}};
    run(writer, add, work(add), 0, true);
  }

  /// A dense layer's feed-forward where it has a rule of its own, once all of it is there. False: the operator is
  /// placed as any other one.
  bool place_feed_forward(LayerWriter& writer, const Operator& op) const {
    const UnitRules& rules = writer.only_decodes() ? is_.decode : is_.mixed;
    std::vector<Operator>& held = writer.notes().feed_forward;
    const std::string_view label = op.label;
    if (!rules.feed_forward || (held.empty() && label != "up")) {
      return false;
    }
    held.push_back(op);
    if (label == "down") {
      place_columns(writer, std::exchange(held, {}), *rules.feed_forward);
    }
    return true;
  }

  void place_columns(LayerWriter& writer, const std::vector<Operator>& all, UnitChoice choice) const {
    const MachineView& view = writer.view();
    const std::size_t memory = memory_unit(view);
    const auto& down = std::get<Gemm>(all.back().shape);
    const Bytes rows = down.activations.bytes(down.m * down.n);
    const Seconds crossing = both_ways(view, memory, rows);
    const auto on = [&](std::size_t unit) {
      return [&view, unit](const Work& of) { return Seconds{seconds(view, view.units[unit], of)}; };
    };
    double share = choice == UnitChoice::near_memory ? 1 : 0;
    if (choice == UnitChoice::co_processed) {
      share = near_memory_columns(all, on(0), on(memory), crossing, view.units[memory].apart ? is_.copied_columns : 1);
    } else if (choice == UnitChoice::faster) {
      Seconds here, there = crossing;
      for (const Operator& op : all) {
        here += on(0)(work(op));
        there += on(memory)(work(op));
      }
      share = there < here ? 1 : 0;
    }
    const auto run_columns = [&](double part, std::size_t unit) {
      int last = -1;
      for (const Operator& op : all) {
        const Operator columns = columns_of(op, part);
        last = run(writer, columns, work(columns), unit, false);
      }
      return last;
    };
    const int before = writer.last();
    int beside = -1;
    if (share > 0) {
      beside =
          across(writer, memory, "tokens out", "results in", rows, rows, [&] { return run_columns(share, memory); });
    }
    if (share < 1) {
      writer.chain(before);
      join(writer, run_columns(1 - share, 0));
    } else {
      join(writer, beside);
      return;
    }
    if (share > 0) {
      LayerWriter::Notes& notes = writer.notes();
      notes.beside = beside;
      notes.elements = down.m * down.n;
      notes.activations = down.activations;
      add_results(writer);
    }
  }

  void place_experts(LayerWriter& writer, const Operator& op, const Work& whole, UnitChoice choice,
                     std::size_t memory) const {
    const MachineView& view = writer.view();
    const auto& experts = std::get<GroupedGemm>(op.shape);
    const auto times_at = [&](std::size_t unit, BytesPerSecond rate) {
      return expert_times(experts,
                          Seconds{view.units[unit].seconds_per_flop[static_cast<std::size_t>(whole.arithmetic)]}, rate);
    };
    const auto times = [&](std::size_t unit) { return times_at(unit, view.memory_rate(view.units[unit])); };
    const auto assumed = [&](std::size_t unit) {
      return times_at(unit, BytesPerSecond{view.resources[view.units[unit].memory].capacity * *is_.assumed_bandwidth});
    };
    const ExpertPart all{experts.experts, experts.rows, experts.distinct, experts.even};
    const Bytes rows = experts.activations.bytes(experts.tokens * experts.hidden);
    ExpertParts parts{all, {}};
    double lateness = 1;
    if (choice == UnitChoice::co_processed) {
      const CoProcessed divided =
          co_process(experts, is_.expert_groups.value_or(view.memory_spaces), {times(0), times(memory)},
                     both_ways(view, memory, rows),
                     is_.assumed_bandwidth ? std::optional(UnitTimes{assumed(0), assumed(memory)}) : std::nullopt);
      parts = divided.parts;
      lateness = divided.lateness;
    } else if (choice == UnitChoice::faster && !view.units[memory].apart) {
      parts = by_load(all, experts.tokens, times(0), times(memory));
    } else if (choice == UnitChoice::near_memory ||
               (choice == UnitChoice::faster &&
                in_series(all, experts.tokens, times(memory)) + both_ways(view, memory, rows) <
                    in_series(all, experts.tokens, times(0)))) {
      parts = {{}, all};
    }
    if (parts.processor.rows <= 0 || parts.memory.rows <= 0) {
      const std::size_t unit = parts.processor.rows <= 0 ? memory : 0;
      join(writer, across(writer, unit, "tokens out", "results in", rows, rows,
                          [&] { return run(writer, op, whole, unit, false); }));
      return;
    }
    const auto place_part = [&](const char* label, const ExpertPart& part, std::size_t unit) {
      Operator result = op;
      result.label = label;
      GroupedGemm shape = part_of(experts, part);
      shape.lateness = lateness;
      result.shape = shape;
      return run(writer, result, work(result), unit, false);
    };
    if (choice == UnitChoice::faster) {
      place_part("experts", parts.processor, 0);
      join(writer, place_part("experts near memory", parts.memory, memory));
      return;
    }
    LayerWriter::Notes& notes = writer.notes();
    notes.elements = experts.tokens * experts.hidden;
    notes.activations = experts.activations;
    const int routed = writer.last();
    const Bytes sent = std::min(rows, experts.activations.bytes(parts.memory.rows * experts.hidden));
    const int beside = across(writer, memory, "tokens out", "results in", sent, rows,
                              [&] { return place_part("experts near memory", parts.memory, memory); });
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
