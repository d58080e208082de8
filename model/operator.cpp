#include "model/operator.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {

std::string_view name(OperatorKind kind) {
  constexpr std::string_view kNames[kOperatorKindCount] = {
      "embedding",          "norm",         "projection", "rotary",  "attention_prefill", "attention_decode",
      "attention_backward", "state_update", "activation", "router",  "experts",           "head",
      "sampling",           "optimizer",    "collective", "transfer"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name(CollectiveKind kind) {
  constexpr std::string_view kNames[] = {"all_reduce", "all_gather", "reduce_scatter",
                                         "all_to_all", "broadcast",  "send_receive"};
  return kNames[static_cast<std::size_t>(kind)];
}

double attention_pairs(double new_tokens, double context, double window, bool chunked) {
  const double last = context + new_tokens;
  const double full = new_tokens * context + new_tokens * (new_tokens + 1) / 2;
  if (window <= 0 || last <= window) {
    return full;
  }
  if (chunked) {
    // Position p sees p mod window + 1 keys of its own chunk: the sum up to position n is a sawtooth's area.
    const auto area = [window](double n) {
      const double whole = std::floor(n / window), rest = n - whole * window;
      return whole * window * (window + 1) / 2 + rest * (rest + 1) / 2;
    };
    return area(last) - area(context);
  }
  const double growing = std::max(0.0, window - context);  // queries that still see everything
  return growing * context + growing * (growing + 1) / 2 + (new_tokens - growing) * window;
}

double attention_read_tokens(double new_tokens, double context, double window, bool chunked) {
  const double last = context + new_tokens;
  if (window <= 0 || last <= window) {
    return last;
  }
  if (chunked) {
    const double chunk_start = std::floor((new_tokens == 1 ? last - 1 : context) / window) * window;
    return last - chunk_start;
  }
  return std::min(last, window + new_tokens - 1);
}

WireBytes wire_bytes(const Collective& collective, int nodes, bool in_switch_reduction) {
  const double m = nodes, g = collective.ranks / m;
  const double inside = (g - 1) / g, between = (m - 1) / m;
  const Bytes message = collective.bytes * collective.rounds;
  if (collective.ranks < 2) {
    return {};
  }
  switch (collective.kind) {
    case CollectiveKind::all_reduce:
      return {message * (in_switch_reduction ? std::min(2 * inside, (g + 1) / g) : 2 * inside),
              message * (2 * between / g)};
    case CollectiveKind::all_gather:
    case CollectiveKind::reduce_scatter:
      return {message * inside, message * (between / g)};
    case CollectiveKind::all_to_all:
      return {message * (inside / m), message * between};
    case CollectiveKind::broadcast:
      return nodes > 1 ? WireBytes{message * inside, message * (1 / g)} : WireBytes{message, Bytes{}};
    case CollectiveKind::send_receive:
      return {nodes > 1 ? Bytes{} : message, nodes > 1 ? message : Bytes{}};
  }
  MOESAIC_ASSERT(false);
}

namespace {

constexpr StorageType kGradients{DType::fp32, 32};

Work work_of(const Gemm& g) {
  if (g.accumulates) {
    return {.flops = Flops{2 * g.m * g.n * g.k * g.count},
            .weights = kGradients.bytes(2 * g.m * g.n * g.count),
            .activations = g.activations.bytes((g.m + g.n) * g.k * g.count),
            .arithmetic = g.arithmetic};
  }
  return {.flops = Flops{2 * g.m * g.n * g.k * g.count},
          .weights = g.weights.bytes(g.n * g.k * g.count),
          .activations = g.activations.bytes(g.m * (g.n + g.k) * g.count),
          .arithmetic = g.arithmetic};
}

/// Rows pass hidden -> width -> hidden; the intermediate is written and read by the products and the activation
/// between.
Work work_of(const GroupedGemm& g) {
  const double intermediate = g.matrices == 3 ? 6 : g.matrices == 2 ? 4 : 1;
  const double ends = g.matrices == 1 ? 1 : 2;
  if (g.accumulates) {  // every matrix reads its rows and their gradients
    return {.flops = Flops{2 * g.rows * g.hidden * g.width * g.matrices},
            .weights = kGradients.bytes(2 * g.experts * g.hidden * g.width * g.matrices),
            .activations = g.activations.bytes(g.rows * (ends * g.hidden + g.matrices * g.width)),
            .arithmetic = g.arithmetic};
  }
  return {.flops = Flops{2 * g.rows * g.hidden * g.width * g.matrices},
          .weights = g.weights.bytes(g.distinct * g.hidden * g.width * g.matrices),
          .activations = g.activations.bytes(g.rows * (ends * g.hidden + intermediate * g.width)),
          .arithmetic = g.arithmetic};
}

Work work_of(const SoftmaxScores& s) {
  const double kv_elements = s.shared_kv ? s.qk_dim : s.qk_dim + s.v_dim;
  if (s.backward) {  // scores again, and the gradients of queries, keys, probabilities and values
    return {.flops = Flops{2 * (3 * s.qk_dim + 2 * s.v_dim) * s.heads * s.pairs * s.sequences},
            .activations = s.activations.bytes(2 * s.sequences * s.new_tokens * s.heads * (s.qk_dim + s.v_dim)),
            .kv = s.activations.bytes(2 * s.sequences * s.read_tokens * s.kv_heads * kv_elements),
            .arithmetic = s.arithmetic};
  }
  return {.flops = Flops{2 * (s.qk_dim + s.v_dim) * s.heads * s.pairs * s.sequences},
          .activations = s.activations.bytes(s.sequences * s.new_tokens * s.heads * (s.qk_dim + s.v_dim)),
          .kv = s.kv.bytes(s.sequences * s.read_tokens * s.kv_heads * kv_elements * s.passes),
          .arithmetic = s.arithmetic};
}

Work work_of(const StateUpdate& s) {
  return {.flops = s.flops,
          .activations = s.activations.bytes(s.sequences * s.new_tokens * s.token_elements),
          .kv = s.state.bytes(2 * s.sequences * s.state_elements),
          .arithmetic = s.arithmetic};
}

Work work_of(const Elementwise& e) {
  return {.flops = Flops{e.elements_read * e.flops_per_element},
          .weights = e.weights,
          .activations = e.type.bytes(e.elements_read + e.elements_written),
          .kv = e.cache_written,
          .arithmetic = DType::fp32};
}

Work work_of(const Collective& c) { return {.wire = wire_bytes(c, 1, false).scale_up}; }

Work work_of(const ExpertExchange& e) {
  return {.wire = e.wire.bytes(e.scale_up_rows * e.hidden), .network = e.wire.bytes(e.network_rows * e.hidden)};
}

Work work_of(const Transfer& t) { return {.wire = t.bytes}; }

}  // namespace

Work work(const Operator& op) {
  return std::visit([](const auto& shape) { return work_of(shape); }, op.shape);
}

}  // namespace moesaic
