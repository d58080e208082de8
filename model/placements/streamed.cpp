// All weights and the cache in host memory (FlexGen, MoE-Lens arXiv:2504.09345): a layer's weights are copied to the
// device while the layer before computes (double buffer), decode attention runs on the CPU beside its cache, and
// queries, keys, values and attention outputs cross the host link. Prefill attention runs on the device; in chunks, the
// cache of the chunks before crosses too.
#include "base/error.hpp"
#include "model/placement.hpp"

namespace moesaic {
namespace {

constexpr int kBufferedLayers = 2;

class Streamed final : public Placement {
 public:
  std::string_view name() const override { return "streamed"; }
  MemoryHomes homes() const override {
    return {.weights_on_host = true, .cache_on_host = true, .buffered_layers = kBufferedLayers};
  }
  void check(const Machine& machine) const override {
    if (!machine.host || !machine.device.host_link) {
      throw UserError("--placement: 'streamed' needs a host with memory; machine '" + machine.name +
                      "' has none (a machine that has one: xeon-8380-a40)");
    }
  }

  void begin_layer(LayerWriter& writer, Bytes weights) const override {
    if (weights <= Bytes{0}) {
      return;
    }
    writer.prefetch({OperatorKind::transfer, "weights in", Transfer{weights, true, "weights"}}, weights,
                    kBufferedLayers);
  }

  void place(LayerWriter& writer, const Operator& op, const Work& work) const override {
    switch (op.kind) {
      case OperatorKind::collective:
        writer.communicate(op, work);
        break;
      case OperatorKind::rotary:
        place_rotary(writer, op, work);
        break;
      case OperatorKind::attention_decode:
        place_decode_attention(writer, op, work);
        break;
      case OperatorKind::attention_prefill:
        place_prefill_attention(writer, op, work);
        break;
      default:
        run(writer, op, work);
    }
  }

 private:
  /// On the device, not before this layer's weights are there.
  static int run(LayerWriter& writer, const Operator& op, const Work& work) {
    const bool first_on_device = writer.last() < 0 && writer.size() > 0;
    const int task = writer.run(op, work, 0, Queue::device);
    if (first_on_device) {
      writer.wait(task, 0);  // begin_layer() wrote the copy of the weights first
    }
    return task;
  }

  /// New keys and values go to the host; nobody waits for them but the next attention over them, which is a step later.
  static void place_rotary(LayerWriter& writer, const Operator& op, const Work& work) {
    Work on_device = work;
    const Bytes cached = std::get<Elementwise>(op.shape).cache_written;
    on_device.kv = Bytes{0};
    const int rotated = run(writer, op, on_device);
    const Operator out{OperatorKind::transfer, "keys and values out", Transfer{cached, false, "keys and values"}};
    writer.wait(writer.copy(out, cached, false), rotated);
    // The chain goes on from the rotation, not from the copy.
    writer.chain(rotated);
  }

  /// Many queries make it worth computing on the device; what earlier steps cached comes in ahead of it.
  static void place_prefill_attention(LayerWriter& writer, const Operator& op, const Work& work) {
    const Bytes cached = std::get<SoftmaxScores>(op.shape).cached;
    const Operator in{OperatorKind::transfer, "cache in", Transfer{cached, true, "cached keys and values"}};
    const int copy = cached > Bytes{0} ? writer.prefetch(in, cached, kBufferedLayers) : -1;
    writer.wait(run(writer, op, work), copy);
  }

  static void place_decode_attention(LayerWriter& writer, const Operator& op, const Work& work) {
    const auto& scores = std::get<SoftmaxScores>(op.shape);
    const double rows = scores.sequences * scores.new_tokens * scores.heads;
    const Bytes query = scores.activations.bytes(rows * scores.qk_dim);
    const Bytes output = scores.activations.bytes(rows * scores.v_dim);
    const int out =
        writer.copy({OperatorKind::transfer, "queries out", Transfer{query, false, "queries"}}, query, false);
    writer.wait(out, writer.last());
    writer.chain(out);
    const int attention = writer.run(op, work, writer.view().device_units, Queue::host);
    const int in =
        writer.copy({OperatorKind::transfer, "attention in", Transfer{output, true, "attention output"}}, output, true);
    writer.wait(in, attention);
    writer.chain(in);
  }
};

}  // namespace

PlacementPointer streamed_placement() { return std::make_shared<Streamed>(); }

}  // namespace moesaic
