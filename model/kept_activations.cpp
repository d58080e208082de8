// What the backward pass needs of the forward pass, operator by operator.
#include <string_view>

#include "model/training_operators.hpp"

namespace moesaic {
namespace {

/// Adds up what is kept. A product keeps its input; what several operators read is kept once: the norm's output, and
/// attention's output for the product behind it.
struct Ledger {
  Recompute recompute;
  bool written_attention;
  Bytes kept{};
  Bytes norm_output{};
  bool reads_norm = false;  ///< what a product of `width` elements reads is still the norm's output
  bool norm_counted = false;
  double width = 0;
  bool expert_rows = false;       ///< between the products of routed experts, beside what follows the norm
  bool input_recomputed = false;  ///< the next product's input is an activation function's output

  bool selective() const { return recompute == Recompute::selective; }
  bool again(const Operator& op) const { return selective() && recomputed_selectively(op, written_attention); }

  void operator()(const Gemm& g, const Operator& op) {
    if (is_written_attention(op)) {
      const bool scores = std::string_view(op.label) == kWrittenScores;
      const Bytes left = g.activations.bytes(g.m * g.k * g.count);  // queries, or probabilities
      kept += g.weights.bytes(g.n * g.k * g.count) + (scores || !again(op) ? left : Bytes{});
      reads_norm = false;
      return;
    }
    expert_rows = op.kind == OperatorKind::experts && !expert_rows;
    if (reads_norm && g.k == width && op.kind != OperatorKind::experts) {
      kept += norm_counted || (selective() && !written_attention) ? Bytes{} : norm_output;
      norm_counted = true;
      return;
    }
    kept += input_recomputed ? Bytes{} : g.activations.bytes(g.m * g.k * g.count);
    input_recomputed = false;
  }

  void operator()(const GroupedGemm& g, const Operator&) { kept += g.activations.bytes(g.rows * g.hidden); }

  /// Queries, keys and values, and the logarithm of each row's sum in fp32; the output is the next product's input.
  void operator()(const SoftmaxScores& s, const Operator& op) {
    const double tokens = s.sequences * s.new_tokens;
    const bool rebuilt = selective() && !written_attention && s.heads == s.kv_heads && s.qk_dim != s.v_dim;
    if (!rebuilt) {  // MLA's up-projections are done again
      kept += s.activations.bytes(tokens * (s.heads * s.qk_dim + s.kv_heads * (s.qk_dim + s.v_dim)));
    }
    kept += Bytes{4 * tokens * s.heads};
    reads_norm = false;
    input_recomputed = false;
    static_cast<void>(op);
  }

  void operator()(const StateUpdate& s, const Operator&) {
    kept += s.activations.bytes(s.sequences * s.new_tokens * s.token_elements);
    reads_norm = false;
  }

  void operator()(const Elementwise& e, const Operator& op) {
    const std::string_view label = op.label;
    switch (op.kind) {
      case OperatorKind::norm:
        kept += e.type.bytes(e.elements_read / 2);  // the sum with the residual
        norm_output = e.type.bytes(e.elements_written / 2);
        reads_norm = true;
        norm_counted = false;
        break;
      case OperatorKind::activation:
        if (label == kWrittenDropout) {
          kept += again(op) ? Bytes{} : e.type.bytes(e.elements_written - e.elements_read);
        } else if (!(is_written_attention(op) && again(op))) {
          kept += e.type.bytes(e.elements_read);
          input_recomputed = again(op);
        }
        reads_norm = reads_norm && expert_rows;
        break;
      case OperatorKind::router:
        // The gradients of the router's probabilities need experts' results.
        kept += label == "top-k" || label == kUnpermute ? e.type.bytes(e.elements_read) : Bytes{};
        break;
      case OperatorKind::sampling:
        kept += e.type.bytes(e.elements_written);  // the logits' probabilities
        break;
      default:
        break;
    }
  }

  template <class Shape>
  void operator()(const Shape&, const Operator&) {}
};

/// Width of what products behind a norm read.
double norm_width(const std::vector<TrainingOperator>& operators, std::size_t forward) {
  for (std::size_t i = 0; i < forward; ++i) {
    if (const auto* gemm = std::get_if<Gemm>(&operators[i].op.shape)) {
      return gemm->k;
    }
  }
  return 0;
}

}  // namespace

Bytes kept_activations(const std::vector<TrainingOperator>& operators, std::size_t forward, Recompute recompute) {
  Ledger ledger{.recompute = recompute, .written_attention = false};
  for (std::size_t i = 0; i < forward; ++i) {
    ledger.written_attention = ledger.written_attention || is_written_attention(operators[i].op);
  }
  ledger.width = norm_width(operators, forward);
  for (std::size_t i = 0; i < forward; ++i) {
    const Operator& op = operators[i].op;
    if (recompute == Recompute::full && op.kind == OperatorKind::norm) {  // the layer's input
      const auto& norm = std::get<Elementwise>(op.shape);
      return norm.type.bytes(norm.elements_read / 2);
    }
    std::visit([&](const auto& shape) { ledger(shape, op); }, op.shape);
  }
  return ledger.kept;
}

}  // namespace moesaic
