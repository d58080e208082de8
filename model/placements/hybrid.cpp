// Weights, cache and computation divided between a device and its host as a description says: streamed layers (FlexGen,
// MoE-Lens arXiv:2504.09345), decode attention on the host, experts that stay, are fetched, or are computed by the host
// (Fiddler, KTransformers), in one batch or several that take turns (MoE-Lightning arXiv:2411.11217).
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "model/expert_split.hpp"
#include "model/expert_threshold.hpp"
#include "model/hybrid_description.hpp"
#include "model/placement.hpp"
#include "model/placements/host_copies.hpp"

namespace moesaic {
namespace {

/// Decode attention that reads only a share of the cached tokens.
SoftmaxScores over_share(SoftmaxScores scores, double share) {
  scores.context *= share;
  scores.pairs *= share;
  scores.read_tokens *= share;
  scores.cached = scores.cached * share;
  return scores;
}

class Hybrid final : public Placement {
 public:
  explicit Hybrid(HybridDescription description) : is_(std::move(description)), copies_(is_) {}

  std::string_view name() const override { return is_.name; }
  int batches() const override { return is_.batches; }
  int device_layers() const override { return is_.device_layers; }
  std::string_view engine() const override { return is_.engine; }
  const HybridDescription* hybrid() const override { return &is_; }

  MemoryHomes homes() const override {
    const bool streams = is_.missing == MissingExperts::streamed;
    const bool fetches = !streams && is_.missing != MissingExperts::host;
    return {.dense_on_device = is_.on_host ? 0 : is_.dense_on_device,
            .experts_on_device = is_.on_host ? 0 : is_.experts_on_device,
            .cache_on_device = is_.on_host ? 0 : is_.cache_on_device,
            .buffered_layers = is_.on_host ? 0 : is_.buffered_layers,
            .streams_experts = streams,
            .fetched_layers = !fetches || is_.on_host     ? 0
                              : is_.prefetch_accuracy > 0 ? 1 + is_.look_ahead
                                                          : 1,
            .prefetch_extra = is_.prefetch_extra,
            .expert_slots = is_.expert_slots,
            .weights_on_storage = is_.weights_on_storage,
            .cache_on_storage = is_.cache_on_storage,
            .activations_on_device = is_.activations_on_device,
            .batches = is_.batches,
            .tokens_at_once = is_.tokens_at_once,
            .on_host = is_.on_host};
  }

  void check(const Machine& machine) const override {
    if (!machine.host || (!machine.device.host_link && (!is_.on_host || is_.device_layers > 0))) {
      throw UserError("--placement: '" + is_.name + "' needs a host with memory and a link to it; machine '" +
                      machine.name + "' has no " + (machine.host ? "\"host_link\" of its device" : "\"host\"") +
                      " (a machine that has both: xeon-8380-a40)");
    }
    if ((is_.weights_on_storage > 0 || is_.cache_on_storage > 0) && !machine.host->storage) {
      throw UserError("--placement: '" + is_.name + "' keeps a part on storage; the host of machine '" + machine.name +
                      "' has none (a host's \"storage\" has a capacity and a bandwidth)");
    }
  }

  void begin_layer(LayerWriter& writer, const LayerWeights& weights) const override {
    LayerWriter::Notes& notes = writer.notes();
    notes.experts = weights.expert_count;
    notes.expert = weights.expert_count > 0 ? weights.experts / weights.expert_count : Bytes{};
    notes.on_device = weights.on_device;
    if (is_.on_host || notes.on_device) {
      return;
    }
    notes.passes_stream = is_.activations_on_device < 1 && weights.total() > Bytes{0};
    const Bytes dense = weights.dense * (1 - is_.dense_on_device);
    const Bytes experts = is_.missing == MissingExperts::streamed
                              ? weights.experts * ((1 - is_.experts_on_device) * is_.copied_bytes)
                              : Bytes{};
    if (experts > Bytes{0} && few_slots(notes.experts)) {
      notes.dense_in = dense > Bytes{0} ? copies_.weights_ahead(writer, dense) : -1;
      if (const double ahead = ahead_through_slots(notes.experts); ahead > 0) {
        // Slots become free one by one while the layer before computes from them, behind that layer's own experts.
        notes.experts_in = copies_.experts_since(writer, "weights in", "weights from storage", experts * ahead, 1);
      }
      return;
    }
    if (dense > Bytes{0} && experts > Bytes{0}) {
      notes.dense_in = notes.experts_in = copies_.weights_ahead(writer, dense + experts);
    } else if (dense > Bytes{0}) {
      notes.dense_in = copies_.weights_ahead(writer, dense);
    } else if (experts > Bytes{0}) {
      notes.experts_in = copies_.weights_ahead(writer, experts);
    }
  }

  void place(LayerWriter& writer, const Operator& op, const Work& whole) const override {
    if (op.kind == OperatorKind::experts && is_.skipped > 0) {
      Operator chosen = op;
      chosen.shape = with_rows(std::get<GroupedGemm>(op.shape), 1 - is_.skipped);
      place_operator(writer, chosen, work(chosen));
    } else if (op.kind == OperatorKind::attention_decode && is_.attended < 1) {
      Operator chosen = op;
      chosen.shape = over_share(std::get<SoftmaxScores>(op.shape), is_.attended);
      place_operator(writer, chosen, work(chosen));
    } else {
      place_operator(writer, op, whole);
    }
  }

  /// The host's results are added to the device's, those put off in the layer before too.
  void end_batch(LayerWriter& writer) const override {
    place_divided(writer);
    add_results(writer);
    if (const Bytes stream = writer.notes().stream; stream > Bytes{0}) {
      const int out =
          writer.copy(transfer("activations out", stream, false, "residual stream"), stream, false, copies_.large());
      writer.wait(out, writer.last());
      writer.chain(out);
    }
  }

 private:
  void place_operator(LayerWriter& writer, const Operator& op, const Work& work) const {
    if (op.kind == OperatorKind::norm && writer.last() < 0 && writer.notes().passes_stream) {
      bring_stream(writer, op);
    }
    if (op.kind == OperatorKind::collective) {
      place_divided(writer);
      writer.communicate(op, work);
    } else if (writer.notes().on_device) {
      run(writer, op, work);
    } else if (is_.on_host) {
      run_on_host(writer, op, work);
      if (op.kind == OperatorKind::embedding && is_.device_layers > 0) {
        visit_device(writer, op);
      }
    } else if (op.kind == OperatorKind::rotary) {
      place_rotary(writer, op, work);
    } else if (op.kind == OperatorKind::attention_decode) {
      place_decode_attention(writer, op, work);
    } else if (op.kind == OperatorKind::attention_prefill) {
      place_prefill_attention(writer, op, work);
    } else if (op.kind == OperatorKind::experts && divides()) {
      writer.notes().divided.push_back(op);
      writer.notes().routed = writer.last();
    } else if (op.kind == OperatorKind::experts && is_.missing != MissingExperts::streamed) {
      place_experts(writer, op, writer.last());
    } else if (op.kind == OperatorKind::experts && few_slots(writer.notes().experts)) {
      stream_experts(writer, op);
    } else {
      const int task = run(writer, op, work);
      if (op.kind == OperatorKind::experts) {
        writer.wait(task, writer.notes().experts_in);
      } else if (op.kind == OperatorKind::router) {
        writer.set(task, Marker::routed);
      }
    }
  }

  void add_results(LayerWriter& writer) const {
    LayerWriter::Notes& notes = writer.notes();
    if (notes.returning.size() == 0 && !notes.deferring) {
      return;
    }
    const double parts = 1 + static_cast<double>(notes.returning.size());
    const Operator add{OperatorKind::activation, "add host's experts",
                       Elementwise{.elements_read = notes.elements * parts,
                                   .elements_written = notes.elements,
                                   .flops_per_element = 1,
                                   .type = notes.activations}};
    const int task = run(writer, add, work(add));
    for (const int before : notes.returning) {
      writer.wait(task, before);
    }
    if (notes.deferring) {
      writer.wait_for(task, Marker::deferred, 1);
    }
    notes.returning = {};
    notes.deferring = false;
  }

  /// The batch's residual stream, which lay in the host's memory since the layer before.
  void bring_stream(LayerWriter& writer, const Operator& first) const {
    const auto& read = std::get<Elementwise>(first.shape);
    LayerWriter::Notes& notes = writer.notes();
    // Written are the stream and what is normalised of it.
    notes.stream = read.type.bytes(read.elements_written / 2) * (1 - is_.activations_on_device);
    const int in = writer.copy(transfer("activations in", notes.stream, true, "residual stream"), notes.stream, true,
                               copies_.large());
    writer.wait_for(in, Marker::layer_output, 1);
    writer.chain(in);
    notes.beside = notes.dense_in;  // the first operator is no longer the first task
  }

  /// On the device, not before this layer's weights are there, and what else the chain still lacks.
  static int run(LayerWriter& writer, const Operator& op, const Work& work) {
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

  int run_on_host(LayerWriter& writer, const Operator& op, const Work& work) const {
    const MachineView& view = writer.view();
    const int task =
        writer.run(op, work, view.device_units, is_.overlap == Overlapping::all ? Queue::host : Queue::device);
    if (!is_.sockets_apart && view.socket_link) {
      writer.task(task).demands.push_back({*view.socket_link, work.memory().value * view.other_sockets});
    }
    return task;
  }

  /// The residual stream goes to the first layers on the device and comes back from them: twice a step, so that both
  /// copies may stand behind the tables, as one after the other they take as long there.
  static void visit_device(LayerWriter& writer, const Operator& tables) {
    const auto& stream = std::get<Elementwise>(tables.shape);
    const Bytes bytes = stream.type.bytes(stream.elements_written);
    for (const bool to_device : {true, false}) {
      const int before = writer.last();
      const int copy = writer.copy(
          transfer(to_device ? "layers' input in" : "layers' output out", bytes, to_device, "residual stream"), bytes,
          to_device);
      writer.wait(copy, before);
      writer.chain(copy);
    }
  }

  /// Of a layer's experts fewer than `buffered_layers` have room for pass through slots.
  bool few_slots(double experts) const {
    const double streamed = experts * (1 - is_.experts_on_device);
    return is_.missing == MissingExperts::streamed && is_.expert_slots > 0 && !is_.on_host && streamed > 0 &&
           is_.expert_slots < streamed * is_.buffered_layers;
  }

  /// Share of the streamed experts of a layer that come before it needs them. One slot alone is filled while nothing is
  /// computed from it.
  double ahead_through_slots(double experts) const {
    return is_.expert_slots > 1 && !copies_.large().in_turn
               ? std::min(1.0, is_.expert_slots / (experts * (1 - is_.experts_on_device)))
               : 0;
  }

  /// Experts that come ahead, then the others one by one as slots become free.
  void stream_experts(LayerWriter& writer, const Operator& op) const {
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
      writer.wait(run(writer, first, work(first)), writer.notes().experts_in);
    }
    if (rest > 0) {
      one_by_one(writer, part(rest), Queue::prefetch, routed, -1);
    }
  }

  /// Experts whose weights arrive, once `routed` and `ahead` have ended, while those before them are computed: the
  /// first is waited for, and the last is computed when all have come. With one slot nothing arrives meanwhile.
  void one_by_one(LayerWriter& writer, const Operator& op, Queue queue, int routed, int ahead) const {
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
      writer.wait(run(writer, part, work(part)), arrived);
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

  /// New keys and values go to the host; nobody waits for them but the next attention over them, which is a step later.
  void place_rotary(LayerWriter& writer, const Operator& op, const Work& work) const {
    Work on_device = work;
    const Bytes cached = std::get<Elementwise>(op.shape).cache_written;
    const Bytes away = cached * (1 - is_.cache_on_device);
    on_device.kv = cached * is_.cache_on_device;
    const int rotated = run(writer, op, on_device);
    if (away <= Bytes{0}) {
      return;
    }
    const int copy =
        writer.copy(transfer("keys and values out", away, false, "keys and values"), away, false, copies_.large());
    writer.wait(copy, rotated);
    if (const Bytes stored = away * is_.cache_on_storage; stored > Bytes{0}) {
      writer.wait(writer.write_storage(transfer("cache to storage", stored, false, "keys and values"), stored), copy);
    }
    writer.chain(rotated);  // the chain goes on from the rotation, not from the copy
  }

  /// Many queries make it worth computing on the device; what earlier steps cached comes in ahead of it.
  void place_prefill_attention(LayerWriter& writer, const Operator& op, const Work& work) const {
    const Bytes cached = std::get<SoftmaxScores>(op.shape).cached * (1 - is_.cache_on_device);
    const int copy = copies_.cache_ahead(writer, cached);
    writer.wait(run(writer, op, work), copy);
  }

  /// Sequences are divided: those whose cache is on the device, those whose cache is copied in, those that the host
  /// works on beside their cache.
  void place_decode_attention(LayerWriter& writer, const Operator& op, const Work& whole) const {
    const auto& scores = std::get<SoftmaxScores>(op.shape);
    const double away = 1 - is_.cache_on_device, on_host = away * is_.host_attention;
    const auto share = [&](double of) {
      Operator part = op;
      std::get<SoftmaxScores>(part.shape).sequences *= of;
      return part;
    };
    int returned = -1;
    const int before = writer.last();
    if (on_host > 0) {
      const double rows = scores.sequences * scores.new_tokens * scores.heads * on_host;
      const Bytes query = scores.activations.bytes(rows * scores.qk_dim);
      const Bytes output = scores.activations.bytes(rows * scores.v_dim);
      const int out = writer.copy(transfer("queries out", query, false, "queries"), query, false, copies_.small());
      writer.wait(out, before);
      writer.chain(out);
      const Operator part = share(on_host);
      const Work host_work = work(part);
      const int stored = copies_.stored_cache(writer, host_work.kv);
      const int attention = run_on_host(writer, part, host_work);
      writer.wait(attention, stored);
      returned = writer.copy(transfer("attention in", output, true, "attention output"), output, true, copies_.small());
      writer.wait(returned, attention);
      writer.chain(returned);
    }
    if (on_host >= 1) {
      return;
    }
    writer.chain(before);
    const int copy = copies_.cache_ahead(writer, whole.kv * (away - on_host));
    const Operator part = share(1 - on_host);
    writer.wait(run(writer, part, work(part)), copy);
    writer.notes().beside = returned;
  }

  /// By what either way takes in all, not by a number of tokens.
  bool divides() const { return is_.missing == MissingExperts::balanced && !is_.host_tokens; }

  /// Behind what the device computes of every token (shared experts): that need not wait for experts that are copied
  /// in.
  void place_divided(LayerWriter& writer) const {
    LayerWriter::Notes& notes = writer.notes();
    for (const Operator& op : std::exchange(notes.divided, {})) {
      place_experts(writer, op, notes.routed);
    }
  }

  /// `routed`: the task behind which they are known.
  void place_experts(LayerWriter& writer, const Operator& op, int routed) const {
    const auto& experts = std::get<GroupedGemm>(op.shape);
    const ResidentSplit split =
        split_resident(experts, is_.experts_on_device, is_.hits.value_or(is_.experts_on_device));
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
      run(writer, resident, work(resident));
    }
    if (fetched.together > 0) {
      ExpertPart together = loads.heavy;
      together.rows *= fetched.together;
      together.distinct *= fetched.together;
      const Operator heavy = part("experts fetched", together);
      writer.wait(run(writer, heavy, work(heavy)), fetched.all);
    }
    if (fetched.one_by_one > 0) {
      const double share = fetched.one_by_one / loads.heavy.distinct;
      ExpertPart others = loads.heavy;
      others.rows *= share;
      others.distinct = fetched.one_by_one;
      one_by_one(writer, part("experts fetched", others), experts_queue(), routed, fetched.all);
    }
  }

  /// Activations out, experts, results back, beside what the device does. Those that are put off return a layer later.
  void place_on_host(LayerWriter& writer, const Operator& op, const GroupedGemm& all, int routed) const {
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
      part.shape = part_of(
          experts, {experts.experts, experts.rows * share, std::min(experts.experts, experts.distinct * share)});
      writer.chain(out);
      const int stored = copies_.stored_experts(writer, notes.expert * (experts.distinct * share), routed);
      const int computed = run_on_host(writer, part, work(part));
      writer.wait(computed, stored);
      const int back =
          writer.copy(transfer("results in", rows, true, "results of experts"), rows, true, copies_.small());
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

  /// Results of the host's experts do not wait behind weights.
  Queue experts_queue() const { return is_.missing == MissingExperts::fetched ? Queue::to_device : Queue::prefetch; }

  /// What has come of experts that are copied in.
  struct Fetched {
    int all = -1;           ///< the copy that brings the last one of
    double together = 0;    ///< this share of them; the others
    double one_by_one = 0;  ///< pass through slots: so many
  };
  /// Copies the weights of `distinct` experts: those that were foreseen since the gate of an earlier layer, the others
  /// now. Wrong guesses and extra ones take the link's time too.
  Fetched fetch(LayerWriter& writer, double distinct, int routed) const {
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
    writer.task(copy).queue = copies_.large().in_turn ? Queue::device : experts_queue();
    writer.wait(copy, routed);
    writer.wait(copy, stored);
    writer.wait(copy, ahead);  // what was foreseen is on its way first
    return {copy, 1, 0};
  }

  /// Where the host keeps no copy, as many experts leave the device as come; nobody waits for them but the link.
  void copy_back(LayerWriter& writer, double distinct, int routed) const {
    const double wrong = is_.prefetch_accuracy > 0 ? 1 + is_.prefetch_extra - is_.prefetch_accuracy : 0;
    const Bytes bytes = writer.notes().expert * is_.copied_bytes * (distinct * (1 + wrong));
    writer.wait(writer.copy(transfer("experts out", bytes, false, "weights"), bytes, false, copies_.large()), routed);
  }

  /// Missing experts: light ones are computed on the host, heavy ones copied in.
  LoadSplit on_either_side(LayerWriter& writer, const GroupedGemm& experts, const ResidentSplit& split,
                           int routed) const {
    const Bytes expert =
        writer.notes().expert * (is_.copied_bytes / (copies_.large().pageable ? writer.view().attained.pageable : 1));
    const ExpertPart& missing = split.missing;
    if (divides()) {
      const auto known = static_cast<std::size_t>(routed) + 1;
      return balanced(writer.view(), experts, missing, expert,
                      {.accuracy = is_.prefetch_accuracy,
                       .extra = is_.prefetch_extra,
                       .window = device_time(writer, 0, known),
                       .streamed = streamed_time(writer),
                       .beside = device_time(writer, known, writer.size()) +
                                 device_seconds(writer.view(), experts, split.resident)});
    }
    const bool divided = is_.missing == MissingExperts::cheaper || is_.missing == MissingExperts::balanced;
    const double most = is_.missing == MissingExperts::host ? std::max(1.0, experts.tokens)
                        : !divided                          ? 0
                                   : is_.host_tokens.value_or(cheaper_up_to(writer.view(), experts, expert));
    return split_by_load(missing, experts.tokens, most);
  }

  /// Of the link in this layer and batch, for weights and cached keys and values that come ahead.
  Seconds streamed_time(LayerWriter& writer) const {
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
  static Seconds device_time(LayerWriter& writer, std::size_t from, std::size_t to) {
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

  HybridDescription is_;
  HostCopies copies_;
};

}  // namespace

PlacementPointer hybrid_placement(const HybridDescription& description) {
  PlacementPointer usual = std::make_shared<Hybrid>(description);
  if (!description.long_prompts) {
    return usual;
  }
  return by_tokens_placement(std::move(usual), std::make_shared<Hybrid>(of_long_prompts(description)),
                             description.long_prompts->above);
}

}  // namespace moesaic
