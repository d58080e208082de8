#include "model/attention.hpp"

#include <algorithm>
#include <type_traits>

#include "base/error.hpp"
#include "model/real.hpp"

namespace moesaic {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// Query heads and value elements that one attention expert projects (JetMoE), or all of them.
double projected_heads(const SoftmaxAttention& attention) {
  return attention.experts == 0 ? real(attention.heads) : real(attention.heads) / real(attention.experts_per_token);
}

// Weights of `experts` query and output projections with the shared K and V projections and the router.
double softmax_parameters(const SoftmaxAttention& attention, double hidden, double experts) {
  const double query = hidden * projected_heads(attention) * real(attention.qk_dim) * (attention.output_gate ? 2 : 1);
  const double output = projected_heads(attention) * real(attention.v_dim) * hidden;
  const double shared = hidden * real(attention.kv_heads) * (real(attention.qk_dim) + real(attention.v_dim));
  return experts * (query + output) + shared + hidden * real(attention.experts);
}

// DeepSeek-V3.2-Exp, inference/model.py, class Indexer: wq_b, wk, weights_proj.
double indexer_parameters(const LatentAttention& attention, double hidden) {
  const TokenIndexer& indexer = attention.indexer;
  if (indexer.top_k == 0) {
    return 0;
  }
  const double query_from = attention.q_rank > 0 ? real(attention.q_rank) : hidden;
  return query_from * real(indexer.heads) * real(indexer.dim) + hidden * (real(indexer.dim) + real(indexer.heads));
}

double latent_parameters(const LatentAttention& attention, double hidden) {
  const double heads = real(attention.heads);
  const double query_width = heads * (real(attention.nope_dim) + real(attention.rope_dim));
  const double rank = real(attention.q_rank);
  const double query = rank > 0 ? hidden * rank + rank * query_width : hidden * query_width;
  const double latent = hidden * (real(attention.kv_rank) + real(attention.rope_dim));
  const double expanded = real(attention.kv_rank) * heads * (real(attention.nope_dim) + real(attention.v_dim));
  return query + latent + expanded + heads * real(attention.v_dim) * hidden + indexer_parameters(attention, hidden);
}

// q, k, v, output gate and output projection: the module list of MiniMax-Text-01.
double lightning_parameters(const LightningAttention& attention, double hidden) {
  return 5 * hidden * real(attention.heads) * real(attention.head_dim);
}

// in_proj_qkvz, in_proj_ba and out_proj of Qwen3-Next.
double delta_parameters(const GatedDeltaNet& attention, double hidden) {
  const double keys = real(attention.key_heads) * real(attention.key_dim);
  const double values = real(attention.value_heads) * real(attention.value_dim);
  return hidden * (2 * keys + 2 * values) + hidden * 2 * real(attention.value_heads) + values * hidden;
}

double lightning_flops(const LightningAttention& attention, double new_tokens) {
  const double width = real(attention.heads) * real(attention.head_dim);
  const double state = 4 * width * real(attention.head_dim);  // update and read-out
  if (new_tokens <= 1) {
    return state;
  }
  const double block = std::min(new_tokens, real(attention.block));
  return state + 2 * width * (block + 1);  // causal scores and values inside the block
}

// Recurrent form: read the old value, rank-one update, read-out. Chunked form (Gated DeltaNet, arXiv:2412.06464): the
// same on block boundaries, and inside a block the causal halves of K K^T, T [K V], Q K^T and P V.
double delta_flops(const GatedDeltaNet& attention, double new_tokens) {
  const double heads = real(attention.value_heads);
  const double keys = real(attention.key_dim);
  const double values = real(attention.value_dim);
  const double state = 6 * heads * keys * values;
  if (new_tokens <= 1) {
    return state;
  }
  const double block = std::min(new_tokens, real(attention.block));
  return state + heads * block * (3 * keys + 2 * values);
}

}  // namespace

double attention_matrix_parameters(const Attention& attention, std::int64_t hidden) {
  const double width = real(hidden);
  return std::visit(Overloaded{[&](const SoftmaxAttention& a) {
                                 return softmax_parameters(a, width, a.experts > 0 ? real(a.experts) : 1);
                               },
                               [&](const LatentAttention& a) { return latent_parameters(a, width); },
                               [&](const LightningAttention& a) { return lightning_parameters(a, width); },
                               [&](const GatedDeltaNet& a) { return delta_parameters(a, width); }},
                    attention);
}

double attention_active_parameters(const Attention& attention, std::int64_t hidden) {
  const auto* softmax = std::get_if<SoftmaxAttention>(&attention);
  if (softmax != nullptr && softmax->experts > 0) {
    return softmax_parameters(*softmax, real(hidden), real(softmax->experts_per_token));
  }
  return attention_matrix_parameters(attention, hidden);
}

double attention_router_parameters(const Attention& attention, std::int64_t hidden) {
  const auto* softmax = std::get_if<SoftmaxAttention>(&attention);
  return softmax != nullptr ? real(hidden * softmax->experts) : 0;
}

double attention_small_parameters(const Attention& attention, std::int64_t /*hidden*/) {
  const auto* delta = std::get_if<GatedDeltaNet>(&attention);
  if (delta == nullptr) {
    return 0;
  }
  const double keys = real(delta->key_heads) * real(delta->key_dim);
  const double values = real(delta->value_heads) * real(delta->value_dim);
  return (2 * keys + values) * real(delta->conv_kernel);
}

double kv_elements_per_token(const Attention& attention) {
  return std::visit(Overloaded{[](const SoftmaxAttention& a) { return real(a.kv_heads) * real(a.qk_dim + a.v_dim); },
                               [](const LatentAttention& a) { return real(a.kv_rank + a.rope_dim); },
                               [](const LightningAttention&) { return 0.0; }, [](const GatedDeltaNet&) { return 0.0; }},
                    attention);
}

double cached_tokens(const Attention& attention, double context) {
  const auto* softmax = std::get_if<SoftmaxAttention>(&attention);
  if (softmax != nullptr && softmax->window > 0) {
    return std::min(context, real(softmax->window));
  }
  return std::holds_alternative<LightningAttention>(attention) || std::holds_alternative<GatedDeltaNet>(attention)
             ? 0
             : context;
}

double state_elements_per_sequence(const Attention& attention) {
  if (const auto* lightning = std::get_if<LightningAttention>(&attention)) {
    return real(lightning->heads) * real(lightning->head_dim) * real(lightning->head_dim);
  }
  if (const auto* delta = std::get_if<GatedDeltaNet>(&attention)) {
    return real(delta->value_heads) * real(delta->key_dim) * real(delta->value_dim);
  }
  return 0;
}

double indexer_key_elements(const Attention& attention) {
  const auto* latent = std::get_if<LatentAttention>(&attention);
  return latent != nullptr && latent->indexer.top_k > 0 ? real(latent->indexer.dim) : 0;
}

double indexer_flops_per_pair(const Attention& attention) {
  const auto* latent = std::get_if<LatentAttention>(&attention);
  return latent != nullptr && latent->indexer.top_k > 0 ? 2 * real(latent->indexer.heads) * real(latent->indexer.dim)
                                                        : 0;
}

double linear_attention_flops_per_token(const Attention& attention, double new_tokens) {
  if (const auto* lightning = std::get_if<LightningAttention>(&attention)) {
    return lightning_flops(*lightning, new_tokens);
  }
  const auto* delta = std::get_if<GatedDeltaNet>(&attention);
  return delta != nullptr ? delta_flops(*delta, new_tokens) : 0;
}

double attention_flops_per_pair(const Attention& attention, bool absorbed) {
  if (const auto* softmax = std::get_if<SoftmaxAttention>(&attention)) {
    return 2 * real(softmax->heads) * real(softmax->qk_dim + softmax->v_dim);
  }
  if (const auto* latent = std::get_if<LatentAttention>(&attention)) {
    const std::int64_t width =
        absorbed ? 2 * latent->kv_rank + latent->rope_dim : latent->nope_dim + latent->rope_dim + latent->v_dim;
    return 2 * real(latent->heads) * real(width);
  }
  return 0;
}

}  // namespace moesaic
