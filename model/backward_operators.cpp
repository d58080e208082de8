// The backward pass of a layer: what every operator's gradients cost.
#include <string_view>

#include "model/training_operators.hpp"

namespace moesaic {
namespace {

/// The products behind a collective of tensor parallelism that may hide it.
struct Hiding {
  int input = -1;    ///< gradient of the last product's input
  int weights = -1;  ///< gradient of its weights
};

struct Backward {
  std::vector<TrainingOperator>& out;
  Hiding last{};
  int attention = -1;  ///< gradients of the last scores or states
  int pending = -1;    ///< an all-reduce of the forward pass, mirrored in front of the block

  void push(const Operator& op, Pass pass, Parallelism serves = Parallelism::none, int beside = -1) const {
    out.push_back({op, pass, serves, beside});
  }
  int last_index() const { return static_cast<int>(out.size()) - 1; }

  void operator()(const Gemm& g, const TrainingOperator& forward) {
    Operator op = forward.op;
    Gemm input = g;
    input.n = g.k;
    input.k = g.n;
    op.shape = input;
    push(op, Pass::backward_input);
    last.input = last_index();
    Gemm weights = g;
    weights.m = g.k;
    weights.n = g.n;
    weights.k = g.m;
    const bool of_activations = is_written_attention(forward.op);
    weights.accumulates = !of_activations;
    op.shape = weights;
    push(op, of_activations ? Pass::backward_input : Pass::backward_weights);
    last.weights = last_index();
  }

  void operator()(const GroupedGemm& g, const TrainingOperator& forward) {
    push(forward.op, Pass::backward_input);
    Operator op = forward.op;
    GroupedGemm weights = g;
    weights.accumulates = true;
    op.shape = weights;
    push(op, Pass::backward_weights);
  }

  void operator()(const SoftmaxScores& s, const TrainingOperator& forward) {
    Operator op = forward.op;
    op.kind = OperatorKind::attention_backward;
    SoftmaxScores gradients = s;
    gradients.backward = true;
    op.shape = gradients;
    push(op, Pass::backward_input);
    attention = last_index();
  }

  void operator()(const StateUpdate& s, const TrainingOperator& forward) {
    constexpr double kArithmetic = 2.5;
    Operator op = forward.op;
    StateUpdate gradients = s;
    gradients.flops = s.flops * kArithmetic;
    gradients.token_elements = 2 * s.token_elements;
    op.shape = gradients;
    push(op, Pass::backward_input);
    attention = last_index();
  }

  void operator()(const Elementwise& e, const TrainingOperator& forward) {
    Operator op = forward.op;
    Elementwise gradients = e;
    gradients.cache_written = Bytes{};
    switch (op.kind) {
      case OperatorKind::embedding:  // adds rows of fp32 gradients to the table's
        gradients.elements_read = e.elements_written;
        gradients.elements_written = 0;
        gradients.flops_per_element = 1;
        gradients.weights = Bytes{8 * e.elements_written};
        break;
      case OperatorKind::norm:  // input and two gradients, one of them of the residual, give one
        gradients.elements_read = 1.5 * e.elements_read;
        gradients.elements_written = e.elements_read / 2;
        flush();
        break;
      case OperatorKind::rotary:
        break;
      case OperatorKind::router:
        if (std::string_view(op.label) == "top-k") {
          gradients.elements_read = e.elements_read + e.elements_written;
          gradients.elements_written = e.elements_read;
        }
        break;
      case OperatorKind::sampling:
        break;
      default:
        gradients.elements_read = e.elements_read + e.elements_written;
        gradients.elements_written = e.elements_read;
        break;
    }
    op.shape = gradients;
    push(op, Pass::backward_input);
  }

  void operator()(const Collective& c, const TrainingOperator& forward) {
    Operator op = forward.op;
    Collective mirrored = c;
    const bool tensor = forward.serves == Parallelism::tensor;
    if (c.kind == CollectiveKind::all_reduce && tensor) {
      pending = static_cast<int>(&forward - out.data());
      return;
    }
    if (forward.serves == Parallelism::context) {
      context(c, forward);
      return;
    }
    if (c.kind == CollectiveKind::all_gather) {
      mirrored.kind = CollectiveKind::reduce_scatter;
    } else if (c.kind == CollectiveKind::reduce_scatter) {
      mirrored.kind = CollectiveKind::all_gather;
    }
    op.shape = mirrored;
    if (tensor && c.kind == CollectiveKind::all_gather) {
      push(forward.op, Pass::backward_input, forward.serves, last.input);
      push(op, Pass::backward_input, forward.serves, last.weights);
      last = {};
      return;
    }
    push(op, Pass::backward_input, forward.serves);
  }

  void context(const Collective& c, const TrainingOperator& forward) const {
    Operator op = forward.op;
    const int beside = forward.beside >= 0 ? attention : -1;
    Collective mirrored = c;
    if (c.kind == CollectiveKind::all_gather && beside < 0) {
      push(op, Pass::backward_input, forward.serves);
      mirrored.kind = CollectiveKind::reduce_scatter;
    } else if (c.kind == CollectiveKind::send_receive) {
      mirrored.bytes = c.bytes * 2;
    }
    op.shape = mirrored;
    push(op, Pass::backward_input, forward.serves, beside);
  }

  void operator()(const ExpertExchange& e, const TrainingOperator& forward) {
    Operator op = forward.op;
    ExpertExchange mirrored = e;
    mirrored.combine = !e.combine;
    op.shape = mirrored;
    push(op, Pass::backward_input, forward.serves);
  }

  void operator()(const Transfer&, const TrainingOperator& forward) { push(forward.op, Pass::backward_input); }

  /// At the block's front: the sum of its ranks' gradients, beside the gradient of the first product's weights.
  void flush() {
    if (pending >= 0) {
      const TrainingOperator forward = out[static_cast<std::size_t>(pending)];
      push(forward.op, Pass::backward_input, forward.serves, last.weights);
      pending = -1;
      last = {};
    }
  }
};

}  // namespace

void append_backward(std::size_t forward, std::vector<TrainingOperator>& operators) {
  operators.reserve(operators.size() + 4 * forward);  // references to forward operators stay good
  Backward backward{operators};
  for (std::size_t i = forward; i-- > 0;) {
    const TrainingOperator& op = operators[i];
    std::visit([&](const auto& shape) { backward(shape, op); }, op.op.shape);
  }
}

}  // namespace moesaic
