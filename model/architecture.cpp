#include "model/architecture.hpp"

#include <algorithm>

#include "model/real.hpp"

namespace moesaic {
namespace {

// Sum of a property over all layers.
template <class Property>
double over_layers(const Architecture& architecture, Property property) {
  double sum = 0;
  for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
    const auto layers = architecture.count_of_kind(static_cast<int>(kind));
    sum += real(layers) * property(architecture.kinds[kind]);
  }
  return sum;
}

double table_parameters(const Architecture& architecture) {
  return real(architecture.vocabulary) * real(architecture.hidden);
}

double position_parameters(const Architecture& architecture) {
  return real(architecture.learned_positions) * real(architecture.hidden);
}

}  // namespace

std::int64_t Architecture::count_of_kind(int kind) const { return std::count(layers.begin(), layers.end(), kind); }

ParameterCount count_parameters(const Architecture& architecture) {
  const std::int64_t hidden = architecture.hidden;
  const double table = table_parameters(architecture);
  ParameterCount count;
  count.embedding = table * (architecture.tied_embeddings ? 1 : 2) + position_parameters(architecture);
  count.experts = over_layers(architecture, [&](const LayerKind& kind) {
    const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward);
    return moe != nullptr ? real(moe->experts) * expert_parameters(*moe, hidden) : 0;
  });
  count.total = count.embedding + over_layers(architecture, [&](const LayerKind& kind) {
                  return attention_matrix_parameters(kind.attention, hidden) +
                         attention_small_parameters(kind.attention, hidden) +
                         feed_forward_parameters(kind.feed_forward, hidden);
                });
  const double active_layers = over_layers(architecture, [&](const LayerKind& kind) {
    return attention_active_parameters(kind.attention, hidden) + attention_small_parameters(kind.attention, hidden) +
           feed_forward_active_parameters(kind.feed_forward, hidden);
  });
  count.active = active_layers + count.embedding;
  count.active_matmul = active_layers + table;
  return count;
}

double kv_elements_per_token(const Architecture& architecture) {
  return over_layers(architecture, [](const LayerKind& kind) { return kv_elements_per_token(kind.attention); });
}

bool has_experts(const Architecture& architecture) {
  return std::any_of(architecture.kinds.begin(), architecture.kinds.end(),
                     [](const LayerKind& kind) { return std::holds_alternative<MoeFeedForward>(kind.feed_forward); });
}

Bytes cache_bytes(const Architecture& architecture, const Precision& precision, double context) {
  return {over_layers(architecture, [&](const LayerKind& kind) {
    const double kept = cached_tokens(kind.attention, context);
    const Bytes cache = precision.kv.bytes(kv_elements_per_token(kind.attention) * kept) +
                        precision.index_keys.bytes(indexer_key_elements(kind.attention) * kept) +
                        precision.state.bytes(state_elements_per_sequence(kind.attention));
    return cache.value;
  })};
}

Bytes weight_bytes(const Architecture& architecture, const Precision& precision) {
  const std::int64_t hidden = architecture.hidden;
  const double layers = over_layers(architecture, [&](const LayerKind& kind) {
    const double routers = attention_router_parameters(kind.attention, hidden);
    Bytes bytes = precision.attention_weights.bytes(attention_matrix_parameters(kind.attention, hidden) - routers) +
                  precision.router_weights.bytes(routers + attention_small_parameters(kind.attention, hidden));
    if (const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward)) {
      bytes += precision.expert_weights.bytes(real(moe->experts) * expert_parameters(*moe, hidden)) +
               precision.dense_weights.bytes(shared_expert_parameters(*moe, hidden)) +
               precision.router_weights.bytes(router_parameters(*moe, hidden));
    } else {
      bytes += precision.dense_weights.bytes(feed_forward_parameters(kind.feed_forward, hidden));
    }
    return bytes.value;
  });
  return precision.embedding_weights.bytes(count_parameters(architecture).embedding) + Bytes{layers};
}

}  // namespace moesaic
