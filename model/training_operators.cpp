#include "model/training_operators.hpp"

#include <algorithm>
#include <string_view>

#include "model/operator_shapes.hpp"
#include "model/real.hpp"

namespace moesaic {
namespace {

/// Which parallelism a collective of attention or of the feed-forward part serves.
Parallelism serves(const Operator& op, const Mapping& mapping, bool of_attention) {
  if (std::holds_alternative<ExpertExchange>(op.shape)) {
    return Parallelism::expert;
  }
  const auto* collective = std::get_if<Collective>(&op.shape);
  if (collective == nullptr) {
    return Parallelism::none;
  }
  if (of_attention) {  // groups of context parallelism are `tensor` ranks apart
    const bool context = mapping.context > 1 && (mapping.tensor == 1 || collective->stride == mapping.tensor);
    return context ? Parallelism::context : Parallelism::tensor;
  }
  const std::string_view label = op.label;
  const bool tensor = label.ends_with("feed-forward") || label.ends_with("shared") || label.ends_with("output");
  return tensor ? Parallelism::tensor : Parallelism::expert;
}

/// Attention as before FlashAttention: scores, probabilities and what dropout leaves of them are written to memory, the
/// full square of them (2205.05198 section 4.1).
void append_written_attention(const SoftmaxScores& s, std::vector<TrainingOperator>& out) {
  const double keys = s.new_tokens + s.context, count = s.sequences * s.heads;
  const double square = s.new_tokens * keys * count;
  const auto product = [&](const char* label, double n, double k) {
    out.push_back({{OperatorKind::attention_prefill, label,
                    Gemm{.m = s.new_tokens,
                         .n = n,
                         .k = k,
                         .count = count,
                         .weights = s.activations,
                         .activations = s.activations,
                         .arithmetic = s.arithmetic}}});
  };
  const auto pass = [&](const char* label, double written, double flops) {
    out.push_back({{OperatorKind::activation, label,
                    Elementwise{.elements_read = square,
                                .elements_written = written,
                                .flops_per_element = flops,
                                .type = s.activations}}});
  };
  product(kWrittenScores, keys, s.qk_dim);
  pass(kWrittenSoftmax, square, 5);
  pass(kWrittenDropout, square * (1 + 8 / s.activations.bits), 1);  // and a mask of a byte each
  product(kWrittenValues, s.v_dim, keys);
}

/// Routed experts as training runs them: each one's products on their own, as Transformer Engine's grouped linear
/// layers do, so that gradients have the same form; rows are put into the order of experts before, and back after, and
/// once more behind an exchange (Megatron-Core's dispatcher), where every slice of an expert has gathered the others'
/// rows.
void append_experts(const GroupedGemm& g, const Mapping& mapping, std::vector<TrainingOperator>& out) {
  const bool exchanged = mapping.expert > 1;
  const auto move = [&](const char* label, double rows) {
    const double elements = rows * g.hidden;
    out.push_back({{OperatorKind::router, label,
                    Elementwise{.elements_read = elements, .elements_written = elements, .type = g.activations}}});
  };
  const auto product = [&](const char* label, double n, double k) {
    out.push_back({{OperatorKind::experts, label,
                    Gemm{.m = g.rows / g.experts,
                         .n = n,
                         .k = k,
                         .count = g.experts,
                         .weights = g.weights,
                         .activations = g.activations,
                         .arithmetic = g.arithmetic}}});
  };
  const double own_rows = g.rows / mapping.expert_tensor();
  move("permute", own_rows);
  if (exchanged) {
    move("sort rows", g.rows);
  }
  product("experts up", g.width * (g.matrices - 1), g.hidden);
  out.push_back({{OperatorKind::activation, "activation",
                  Elementwise{.elements_read = g.rows * g.width * (g.matrices - 1),
                              .elements_written = g.rows * g.width,
                              .flops_per_element = 4,
                              .type = g.activations}}});
  product("experts down", g.hidden, g.width);
  if (exchanged) {
    move("unsort rows", g.rows);
  }
  move(kUnpermute, own_rows);
}

struct TrainingWriter {
  const LayerContext& context;
  const Training& training;
  TrainingLayer& layer;

  void forward(const std::vector<Operator>& operators, bool of_attention) const {
    int starts = -1;  // communication that runs beside the scores, or the update of states, that come next
    for (const Operator& op : operators) {
      if (starts >= 0 &&
          (std::holds_alternative<SoftmaxScores>(op.shape) || std::holds_alternative<StateUpdate>(op.shape))) {
        layer.operators[static_cast<std::size_t>(starts)].beside = static_cast<int>(layer.operators.size());
        starts = -1;
      }
      const auto* scores = std::get_if<SoftmaxScores>(&op.shape);
      if (scores != nullptr && training.unfused_attention) {
        append_written_attention(*scores, layer.operators);
        continue;
      }
      const auto* grouped = std::get_if<GroupedGemm>(&op.shape);
      const double weights =
          grouped != nullptr ? grouped->experts * grouped->hidden * grouped->width * grouped->matrices : 0;
      if (grouped != nullptr && !of_attention) {
        append_experts(*grouped, context.mapping, layer.operators);
        layer.expert_parameters += weights;
        continue;
      }
      starts = op.beside == Beside::starts ? static_cast<int>(layer.operators.size()) : starts;
      layer.operators.push_back({op, Pass::forward, serves(op, context.mapping, of_attention)});
      const auto* gemm = std::get_if<Gemm>(&op.shape);
      layer.dense_parameters += gemm != nullptr ? gemm->n * gemm->k * gemm->count : weights;
    }
  }

  void recompute(std::size_t forward) const {
    const bool full = training.recompute == Recompute::full;
    for (std::size_t i = 0; i < forward && training.recompute != Recompute::none; ++i) {
      TrainingOperator again = layer.operators[i];
      again.pass = Pass::recompute;
      again.beside = full && again.beside >= 0 ? again.beside + static_cast<int>(forward) : -1;
      if (full || recomputed_selectively(again.op, training.unfused_attention)) {
        layer.operators.push_back(again);
      }
    }
  }

  void finish(std::size_t forward, Recompute kept_under) const {
    layer.kept = kept_activations(layer.operators, forward, kept_under);
    append_backward(forward, layer.operators);
    for (const TrainingOperator& each : layer.operators) {
      layer.working = std::max(layer.working, work(each.op).activations);
    }
    // What was not kept is there while the layer's backward pass runs.
    layer.working += kept_activations(layer.operators, forward, Recompute::none) - layer.kept;
  }
};

}  // namespace

bool is_written_attention(const Operator& op) {
  const std::string_view label = op.label;
  return label == kWrittenScores || label == kWrittenSoftmax || label == kWrittenDropout || label == kWrittenValues;
}

bool recomputed_selectively(const Operator& op, bool written_attention) {
  if (written_attention) {
    return is_written_attention(op);
  }
  const std::string_view label = op.label;
  return op.kind == OperatorKind::norm || op.kind == OperatorKind::activation || label == "q up" || label == "kv up";
}

RankBatch training_batch(const Training& training, const Mapping& mapping) {
  const double sequences = real(training.micro_batch), tokens = real(training.sequence);
  RankBatch batch;
  batch.groups.push_back({sequences, tokens, 0});
  batch.sequences = sequences;
  batch.tokens = sequences * tokens / mapping.context;
  batch.replica_tokens = sequences * tokens * mapping.data;
  return batch;
}

TrainingLayer training_layer(const LayerKind& kind, const LayerContext& context, const RankBatch& batch,
                             const Training& training) {
  TrainingLayer layer;
  const TrainingWriter writer{context, training, layer};
  std::vector<Operator> operators;
  append_attention(kind.attention, context, batch, operators);
  writer.forward(operators, true);
  operators.clear();
  append_feed_forward(kind.feed_forward, context, batch, operators);
  writer.forward(operators, false);
  const std::size_t forward = layer.operators.size();
  writer.recompute(forward);
  writer.finish(forward, training.recompute);
  return layer;
}

TrainingLayer training_input(const LayerContext& context, const RankBatch& batch, std::int64_t learned_positions) {
  TrainingLayer layer;
  std::vector<Operator> operators;
  append_input(context, batch, operators);
  const TrainingWriter writer{context, {}, layer};
  writer.forward(operators, false);
  layer.dense_parameters =
      real(context.hidden) * (real(context.vocabulary) / context.mapping.tensor + real(learned_positions));
  writer.finish(layer.operators.size(), Recompute::none);
  return layer;
}

TrainingLayer training_output(const LayerContext& context, const RankBatch& batch) {
  TrainingLayer layer;
  std::vector<Operator> operators;
  append_output(context, batch, operators);
  const TrainingWriter writer{context, {}, layer};
  writer.forward(operators, false);
  writer.finish(layer.operators.size(), Recompute::none);
  return layer;
}

}  // namespace moesaic
