#include "model/placements/hybrid_experts.hpp"

#include <algorithm>
#include <utility>

#include "model/expert_threshold.hpp"

namespace moesaic {
namespace {

/// Of the link in this layer and batch, for weights and cached keys and values that come ahead.
Seconds streamed_time(LayerWriter& writer) {
  const MachineView& view = writer.view();
  Bytes bytes{};
  for (std::size_t i = 0; i < writer.size(); ++i) {
    const Task& task = writer.task(static_cast<int>(i));
    bytes += task.queue == Queue::prefetch && task.batch == writer.batch() ? task.work.wire : Bytes{};
  }
  const double rate = view.resources[*view.host_to_device].capacity * view.attained.host_link;
  return Seconds{bytes.value / rate};
}

/// Of the device in this layer, from one task to another, at what its products of experts attain.
Seconds device_time(LayerWriter& writer, std::size_t from, std::size_t to) {
  const Attained& at = writer.view().attained;
  Seconds sum{};
  for (std::size_t i = from; i < to; ++i) {
    const Task& task = writer.task(static_cast<int>(i));
    double longest = 0;
    for (const Demand& demand : task.demands) {
      const Resource& resource = writer.view().resources[demand.resource];
      const double attained = resource.kind == ResourceKind::arithmetic ? at.device_compute : at.device_memory;
      longest = std::max(longest, demand.amount / (resource.capacity * attained));
    }
    sum += Seconds{task.queue == Queue::device && task.batch == writer.batch() ? longest : 0};
  }
  return sum;
}

}  // namespace

int run_on_device(LayerWriter& writer, const Operator& op, const Work& work) {
  const bool first = writer.last() < 0;
  const int task = writer.run(op, work, 0, Queue::device);
  LayerWriter::Notes& notes = writer.notes();
  if (first) {
    writer.wait(task, notes.dense_in);
  }
  writer.wait(task, notes.beside);
  notes.beside = -1;
  return task;
}

int run_on_host(const HybridDescription& is, LayerWriter& writer, const Operator& op, const Work& work) {
  const MachineView& view = writer.view();
  const int task =
      writer.run(op, work, view.device_units, is.overlap == Overlapping::all ? Queue::host : Queue::device);
  if (!is.sockets_apart && view.socket_link) {
    writer.task(task).demands.push_back({*view.socket_link, work.memory().value * view.other_sockets});
  }
  return task;
}

bool HybridExperts::few_slots(double experts) const {
  const double streamed = experts * (1 - is_.experts_on_device);
  return is_.missing == MissingExperts::streamed && is_.expert_slots > 0 && !is_.on_host && streamed > 0 &&
         is_.expert_slots < streamed * is_.buffered_layers;
}

double HybridExperts::ahead_through_slots(double experts) const {
  return is_.expert_slots > 1 && !copies_.large().in_turn
             ? std::min(1.0, is_.expert_slots / (experts * (1 - is_.experts_on_device)))
             : 0;
}

void HybridExperts::stream(LayerWriter& writer, const Operator& op) const {
  const auto& experts = std::get<GroupedGemm>(op.shape);
  const double streamed = 1 - is_.experts_on_device;
  const double rest = streamed * (1 - ahead_through_slots(writer.notes().experts));
  const auto part = [&](double share) {
    Operator result = op;
    result.shape =
        part_of(experts, {experts.experts * share, experts.rows * share, experts.distinct * share, experts.even});
    return result;
  };
  const int routed = writer.last();
  if (rest < 1) {
    const Operator first = part(1 - rest);
    writer.wait(run_on_device(writer, first, work(first)), writer.notes().experts_in);
  }
  if (rest > 0) {
    one_by_one(writer, part(rest), Queue::prefetch, routed, -1);
  }
}

void HybridExperts::one_by_one(LayerWriter& writer, const Operator& op, Queue queue, int routed, int ahead) const {
  const auto& all = std::get<GroupedGemm>(op.shape);
  const bool alone = is_.expert_slots == 1 || copies_.large().in_turn;
  // Of streamed ones all come, chosen or not.
  const double coming = is_.missing == MissingExperts::streamed ? all.experts : all.distinct;
  const Bytes bytes = writer.notes().expert * (coming * is_.copied_bytes);
  const auto bring = [&](double share) {
    const Bytes part = bytes * share;
    CopyPath path = copies_.large();
    path.in_turn = alone;
    const int read = copies_.stored_experts(writer, part, routed);
    const int copy = writer.copy(transfer("experts in", part, true, "weights"), part, true, path);
    if (!alone) {
      writer.task(copy).queue = queue;
    }
    writer.wait(copy, routed);
    writer.wait(copy, read);
    writer.wait(copy, ahead);
    return copy;
  };
  const auto compute = [&](double share, int arrived) {
    Operator part = op;
    part.shape = part_of(all, {all.experts * share, all.rows * share, all.distinct * share, all.even});
    writer.wait(run_on_device(writer, part, work(part)), arrived);
  };
  if (alone || coming <= 1) {
    compute(1, bring(1));
    return;
  }
  const double last = 1 / coming;
  const int first_in = bring(last), others_in = bring(1 - last);
  compute(1 - last, first_in);
  compute(last, others_in);
}

void HybridExperts::place_divided(LayerWriter& writer) const {
  LayerWriter::Notes& notes = writer.notes();
  for (const Operator& op : std::exchange(notes.divided, {})) {
    place(writer, op, notes.routed);
  }
}

void HybridExperts::place(LayerWriter& writer, const Operator& op, int routed) const {
  const auto& experts = std::get<GroupedGemm>(op.shape);
  const ResidentSplit split = split_resident(experts, is_.experts_on_device, is_.hits.value_or(is_.experts_on_device));
  const LoadSplit loads = on_either_side(writer, experts, split, routed);
  // Fewer than these in a layer never come: neither a copy nor a handover is made for them.
  constexpr double kNever = 1e-6;
  const bool some_light = loads.light.rows > 0 && loads.light.distinct > kNever;
  const bool some_heavy = loads.heavy.rows > 0 && loads.heavy.distinct > kNever;
  LayerWriter::Notes& notes = writer.notes();
  notes.elements = experts.tokens * experts.hidden;
  notes.activations = experts.activations;
  const int before = writer.last();
  const auto part = [&](const char* label, const ExpertPart& of) {
    Operator result = op;
    result.label = label;
    result.shape = part_of(experts, of);
    return result;
  };
  // Weights are on their way while the host computes, whose results come behind them.
  const Fetched fetched = some_heavy ? fetch(writer, loads.heavy.distinct, routed) : Fetched{};
  if (some_light) {
    place_on_host(writer, part("experts on host", loads.light), experts, routed);
  }
  if (is_.copied_back && some_heavy) {
    copy_back(writer, loads.heavy.distinct, routed);
  }
  writer.chain(before);
  if (split.resident.rows > 0) {
    const Operator resident = part("experts", split.resident);
    run_on_device(writer, resident, work(resident));
  }
  if (fetched.together > 0) {
    ExpertPart together = loads.heavy;
    together.rows *= fetched.together;
    together.distinct *= fetched.together;
    const Operator heavy = part("experts fetched", together);
    writer.wait(run_on_device(writer, heavy, work(heavy)), fetched.all);
  }
  if (fetched.one_by_one > 0) {
    const double share = fetched.one_by_one / loads.heavy.distinct;
    ExpertPart others = loads.heavy;
    others.rows *= share;
    others.distinct = fetched.one_by_one;
    one_by_one(writer, part("experts fetched", others), queue_of_copies(), routed, fetched.all);
  }
}

void HybridExperts::place_on_host(LayerWriter& writer, const Operator& op, const GroupedGemm& all, int routed) const {
  const auto& experts = std::get<GroupedGemm>(op.shape);
  LayerWriter::Notes& notes = writer.notes();
  const Bytes rows = all.activations.bytes(std::min(all.tokens, experts.rows) * all.hidden);
  int out = writer.copy(transfer("tokens out", rows, false, "tokens"), rows, false, copies_.small());
  const bool foreseen = is_.missing == MissingExperts::host && is_.prefetch_accuracy > 0;
  if (foreseen) {
    writer.wait_for(out, Marker::routed, is_.look_ahead);
  } else {
    writer.wait(out, routed);
  }
  const auto pass = [&](const char* label, double share) {
    Operator part = op;
    part.label = label;
    part.shape =
        part_of(experts, {experts.experts, experts.rows * share, std::min(experts.experts, experts.distinct * share)});
    writer.chain(out);
    const int stored = copies_.stored_experts(writer, notes.expert * (experts.distinct * share), routed);
    const int computed = run_on_host(is_, writer, part, work(part));
    writer.wait(computed, stored);
    const int back = writer.copy(transfer("results in", rows, true, "results of experts"), rows, true, copies_.small());
    writer.wait(back, computed);
    return back;
  };
  if (foreseen) {
    notes.returning.push_back(pass("experts foreseen", 1 + is_.prefetch_extra));
    out = writer.copy(transfer("tokens out", rows, false, "tokens"), rows, false, copies_.small());
    writer.wait(out, routed);
    if (is_.prefetch_accuracy < 1) {
      notes.returning.push_back(pass("experts on host", 1 - is_.prefetch_accuracy));
    }
    return;
  }
  if (is_.deferred < 1) {
    notes.returning.push_back(pass("experts on host", 1 - is_.deferred));
  }
  if (is_.deferred > 0) {
    writer.set(pass("deferred experts", is_.deferred), Marker::deferred);
    notes.deferring = true;
  }
}

HybridExperts::Fetched HybridExperts::fetch(LayerWriter& writer, double distinct, int routed) const {
  const Bytes expert = writer.notes().expert * is_.copied_bytes;
  const double guesses = is_.prefetch_accuracy > 0 ? distinct * (1 + is_.prefetch_extra) : 0;
  const double with_room = is_.expert_slots > 0 && guesses > 0 ? std::min(1.0, is_.expert_slots / guesses) : 1;
  const double right = is_.prefetch_accuracy * with_room;
  const Bytes guessed = expert * (guesses * with_room);
  int ahead = -1;
  if (guessed > Bytes{0}) {
    ahead = copies_.experts_since(writer, "experts ahead", "experts from storage", guessed, is_.look_ahead);
  }
  if (is_.expert_slots > 0) {
    return {ahead, right, distinct * (1 - right)};
  }
  const Bytes late = expert * (distinct * (1 - right));
  if (late <= Bytes{0}) {
    return {ahead, 1, 0};
  }
  const int stored = copies_.stored_experts(writer, late, routed);
  const int copy = writer.copy(transfer("experts in", late, true, "weights"), late, true, copies_.large());
  writer.task(copy).queue = copies_.large().in_turn ? Queue::device : queue_of_copies();
  writer.wait(copy, routed);
  writer.wait(copy, stored);
  writer.wait(copy, ahead);  // what was foreseen is on its way first
  return {copy, 1, 0};
}

void HybridExperts::copy_back(LayerWriter& writer, double distinct, int routed) const {
  const double wrong = is_.prefetch_accuracy > 0 ? 1 + is_.prefetch_extra - is_.prefetch_accuracy : 0;
  const Bytes bytes = writer.notes().expert * is_.copied_bytes * (distinct * (1 + wrong));
  writer.wait(writer.copy(transfer("experts out", bytes, false, "weights"), bytes, false, copies_.large()), routed);
}

LoadSplit HybridExperts::on_either_side(LayerWriter& writer, const GroupedGemm& experts, const ResidentSplit& split,
                                        int routed) const {
  const Bytes expert =
      writer.notes().expert * (is_.copied_bytes / (copies_.large().pageable ? writer.view().attained.pageable : 1));
  const ExpertPart& missing = split.missing;
  if (divides()) {
    const auto known = static_cast<std::size_t>(routed) + 1;
    return balanced(
        writer.view(), experts, missing, expert,
        {.accuracy = is_.prefetch_accuracy,
         .extra = is_.prefetch_extra,
         .window = device_time(writer, 0, known),
         .streamed = streamed_time(writer),
         .beside = device_time(writer, known, writer.size()) + device_seconds(writer.view(), experts, split.resident)});
  }
  const bool divided = is_.missing == MissingExperts::cheaper || is_.missing == MissingExperts::balanced;
  const double most = is_.missing == MissingExperts::host ? std::max(1.0, experts.tokens)
                      : !divided                          ? 0
                                 : is_.host_tokens.value_or(cheaper_up_to(writer.view(), experts, expert));
  return split_by_load(missing, experts.tokens, most);
}

}  // namespace moesaic
