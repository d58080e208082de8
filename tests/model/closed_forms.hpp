// What a step must count, by closed forms that do not go through operators.
#pragma once

#include <cmath>
#include <cstdint>

#include "model/accounting.hpp"
#include "model/batch.hpp"
#include "model/real.hpp"

namespace moesaic {

/// Sum of a property over all layers.
template <class Property>
double over_layers(const Architecture& architecture, Property property) {
  double sum = 0;
  for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
    sum += real(architecture.count_of_kind(static_cast<int>(kind))) * property(architecture.kinds[kind]);
  }
  return sum;
}

/// FLOPs of a batch by model/accounting.hpp: lm_head for the last token of each sequence only, MLA absorbed for single
/// tokens, and keys and values of cached tokens rebuilt otherwise.
inline double expected_flops(const Architecture& architecture, const Batch& batch) {
  double flops = 0;
  for (const BatchGroup& group : batch.groups) {
    const bool decode = group.new_tokens == 1;
    const Accounting accounting{.lm_head = false, .absorbed_mla = decode};
    double sequence = forward_flops(architecture, static_cast<std::int64_t>(group.new_tokens),
                                    static_cast<std::int64_t>(group.context), accounting)
                          .value;
    sequence += 2 * real(architecture.vocabulary) * real(architecture.hidden);
    sequence += over_layers(architecture, [&](const LayerKind& kind) {
      const auto* mla = std::get_if<LatentAttention>(&kind.attention);
      return decode || mla == nullptr
                 ? 0
                 : group.context * 2 * real(mla->kv_rank * mla->heads * (mla->nope_dim + mla->v_dim));
    });
    flops += group.sequences * sequence;
  }
  return flops;
}

/// E (1 - (1 - k/E)^N): experts that at least one of N tokens uses, when every token draws k of E.
inline double expected_distinct(double experts, double top_k, double tokens) {
  return experts * (1 - std::pow(1 - top_k / experts, tokens));
}

/// Bytes of weights that a step of so many tokens reads under uniform routing, the input tables left out: every matrix
/// once, of the experts those that some token uses.
inline double expected_weights_read(const Architecture& architecture, double tokens) {
  const Precision& precision = architecture.precision;
  const double idle = over_layers(architecture, [&](const LayerKind& kind) {
    double bytes = 0;
    if (const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward)) {
      const double experts = real(moe->experts);
      bytes += precision.expert_weights
                   .bytes((experts - expected_distinct(experts, real(moe->experts_per_token), tokens)) *
                          expert_parameters(*moe, architecture.hidden))
                   .value;
    }
    const auto* softmax = std::get_if<SoftmaxAttention>(&kind.attention);
    if (softmax != nullptr && softmax->experts > 0) {
      const double experts = real(softmax->experts), top_k = real(softmax->experts_per_token);
      const double one = real(architecture.hidden * softmax->heads) / top_k *
                         real(softmax->qk_dim * (softmax->output_gate ? 2 : 1) + softmax->v_dim);
      bytes += precision.attention_weights.bytes((experts - expected_distinct(experts, top_k, tokens)) * one).value;
    }
    return bytes;
  });
  const double tables = real(architecture.hidden) * real((architecture.tied_embeddings ? 0 : architecture.vocabulary) +
                                                         architecture.learned_positions);
  return weight_bytes(architecture, precision).value - precision.embedding_weights.bytes(tables).value - idle;
}

/// Tokens of a layer's cache that decode reads after `context` tokens, the new one included.
inline double tokens_read(const Attention& attention, double context) {
  const auto* softmax = std::get_if<SoftmaxAttention>(&attention);
  if (softmax != nullptr && softmax->window > 0) {
    const double window = real(softmax->window);
    return softmax->chunked ? std::fmod(context, window) + 1 : std::min(context + 1, window);
  }
  const auto* latent = std::get_if<LatentAttention>(&attention);
  const double selected = latent != nullptr ? real(latent->indexer.top_k) : 0;
  return selected > 0 ? std::min(context + 1, selected) : context + 1;
}

/// Bytes of cache and state that decoding one token of one sequence reads and writes: keys and values of the tokens it
/// sees, its own written, all keys of an indexer, the state both ways.
inline double expected_cache_traffic(const Architecture& architecture, double context) {
  const Precision& precision = architecture.precision;
  return over_layers(architecture, [&](const LayerKind& kind) {
    const Attention& attention = kind.attention;
    const Bytes layer = precision.kv.bytes(kv_elements_per_token(attention) * (tokens_read(attention, context) + 1)) +
                        precision.index_keys.bytes(indexer_key_elements(attention) * (context + 2)) +
                        precision.state.bytes(state_elements_per_sequence(attention) * 2);
    return layer.value;
  });
}

}  // namespace moesaic
