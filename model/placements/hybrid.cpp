// Weights, cache and computation divided between a device and its host as a description says: streamed layers (FlexGen,
// MoE-Lens arXiv:2504.09345), decode attention on the host, experts that stay, are fetched, or are computed by the host
// (Fiddler, KTransformers), in one batch or several that take turns (MoE-Lightning arXiv:2411.11217).
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "model/expert_split.hpp"
#include "model/hybrid_description.hpp"
#include "model/placement.hpp"
#include "model/placements/host_copies.hpp"
#include "model/placements/hybrid_experts.hpp"

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
  explicit Hybrid(HybridDescription description) : is_(std::move(description)), copies_(is_), experts_(is_, copies_) {}

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
    if (experts > Bytes{0} && experts_.few_slots(notes.experts)) {
      notes.dense_in = dense > Bytes{0} ? copies_.weights_ahead(writer, dense) : -1;
      if (const double ahead = experts_.ahead_through_slots(notes.experts); ahead > 0) {
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
    experts_.place_divided(writer);
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
      experts_.place_divided(writer);
      writer.communicate(op, work);
    } else if (writer.notes().on_device) {
      run_on_device(writer, op, work);
    } else if (is_.on_host) {
      run_on_host(is_, writer, op, work);
      if (op.kind == OperatorKind::embedding && is_.device_layers > 0) {
        visit_device(writer, op);
      }
    } else if (op.kind == OperatorKind::rotary) {
      place_rotary(writer, op, work);
    } else if (op.kind == OperatorKind::attention_decode) {
      place_decode_attention(writer, op, work);
    } else if (op.kind == OperatorKind::attention_prefill) {
      place_prefill_attention(writer, op, work);
    } else if (op.kind == OperatorKind::experts && experts_.divides()) {
      writer.notes().divided.push_back(op);
      writer.notes().routed = writer.last();
    } else if (op.kind == OperatorKind::experts && is_.missing != MissingExperts::streamed) {
      experts_.place(writer, op, writer.last());
    } else if (op.kind == OperatorKind::experts && experts_.few_slots(writer.notes().experts)) {
      experts_.stream(writer, op);
    } else {
      const int task = run_on_device(writer, op, work);
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
    const int task = run_on_device(writer, add, work(add));
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

  /// New keys and values go to the host; nobody waits for them but the next attention over them, which is a step later.
  void place_rotary(LayerWriter& writer, const Operator& op, const Work& work) const {
    Work on_device = work;
    const Bytes cached = std::get<Elementwise>(op.shape).cache_written;
    const Bytes away = cached * (1 - is_.cache_on_device);
    on_device.kv = cached * is_.cache_on_device;
    const int rotated = run_on_device(writer, op, on_device);
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
    writer.wait(run_on_device(writer, op, work), copy);
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
      const int attention = run_on_host(is_, writer, part, host_work);
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
    writer.wait(run_on_device(writer, part, work(part)), copy);
    writer.notes().beside = returned;
  }

  HybridDescription is_;
  HostCopies copies_;
  HybridExperts experts_;
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
