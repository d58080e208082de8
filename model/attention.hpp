// The kinds of attention layer that a network can have. Pure shapes: no hardware, no time.
#pragma once

#include <cstdint>
#include <variant>

namespace moesaic {

/// Multi-head, grouped-query or multi-query softmax attention, full or windowed.
struct SoftmaxAttention {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t qk_dim = 0;   ///< per head
  std::int64_t v_dim = 0;    ///< per head
  std::int64_t window = 0;   ///< most tokens a query sees; 0: all
  bool chunked = false;      ///< the window is an aligned chunk (Llama 4) rather than a sliding one
  bool output_gate = false;  ///< elementwise sigmoid gate on the output, from a widened query projection (Qwen3-Next)
  bool projection_bias = false;  ///< on q, k, v
  bool output_bias = false;      ///< on the output projection
  std::int64_t experts = 0;      ///< attention experts (JetMoE): each owns a query and an output projection of
                                 ///< heads / experts_per_token heads; keys and values are shared. 0: none
  std::int64_t experts_per_token = 0;
  bool operator==(const SoftmaxAttention&) const = default;
};

/// Learnt selection of cached tokens (DeepSeek Sparse Attention): a light indexer scores all of them, attention reads
/// the best `top_k`.
struct TokenIndexer {
  std::int64_t heads = 0;
  std::int64_t dim = 0;
  std::int64_t top_k = 0;  ///< 0: no indexer
  bool operator==(const TokenIndexer&) const = default;
};

/// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434): the cache holds one latent of kv_rank + rope_dim
/// elements a token, shared by all heads.
struct LatentAttention {
  std::int64_t heads = 0;
  std::int64_t q_rank = 0;  ///< 0: queries are not compressed
  std::int64_t kv_rank = 0;
  std::int64_t nope_dim = 0;
  std::int64_t rope_dim = 0;
  std::int64_t v_dim = 0;
  TokenIndexer indexer;
  bool operator==(const LatentAttention&) const = default;
};

/// Lightning (linear) attention with an output gate (MiniMax-01): a state of heads x head_dim x head_dim a sequence.
struct LightningAttention {
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t block = 256;  ///< tokens of one block of the chunked prefill form
  bool operator==(const LightningAttention&) const = default;
};

/// Gated DeltaNet (Qwen3-Next): a state of value_heads x key_dim x value_dim a sequence, after a short convolution.
struct GatedDeltaNet {
  std::int64_t key_heads = 0;
  std::int64_t value_heads = 0;
  std::int64_t key_dim = 0;
  std::int64_t value_dim = 0;
  std::int64_t conv_kernel = 0;
  std::int64_t block = 64;  ///< tokens of one block of the chunked prefill form
  bool operator==(const GatedDeltaNet&) const = default;
};

using Attention = std::variant<SoftmaxAttention, LatentAttention, LightningAttention, GatedDeltaNet>;

/// Weights of one layer's attention: projection matrices (biases, norms and convolutions left out, as `small` below).
double attention_matrix_parameters(const Attention& attention, std::int64_t hidden);
/// Of these, the ones one token uses (fewer with attention experts).
double attention_active_parameters(const Attention& attention, std::int64_t hidden);
/// Of these, the router of attention experts (zero without them).
double attention_router_parameters(const Attention& attention, std::int64_t hidden);
/// Convolution kernels of one layer's attention.
double attention_small_parameters(const Attention& attention, std::int64_t hidden);
/// Elements that one cached token takes in one layer, before any window (zero for linear attention).
double kv_elements_per_token(const Attention& attention);
/// Cached tokens of a sequence of `context` tokens that one layer keeps: context, or the window if that is less.
double cached_tokens(const Attention& attention, double context);
/// Elements of recurrent state of one sequence in one layer (zero for softmax attention).
double state_elements_per_sequence(const Attention& attention);
/// Cached keys of the token indexer, per token in one layer (zero without an indexer).
double indexer_key_elements(const Attention& attention);
/// FLOPs of the indexer's scores for one (query, key) pair over its heads (zero without an indexer).
double indexer_flops_per_pair(const Attention& attention);
/// FLOPs that linear attention spends on its state per token and layer, projections left out (zero for softmax
/// attention): the recurrent form for one new token, the chunked form of `block` tokens for more.
double linear_attention_flops_per_token(const Attention& attention, double new_tokens);
/// FLOPs of scores and values for one (query, key) pair over all heads; MLA in its absorbed or unabsorbed form; zero
/// for linear attention. Source: references of docs/architecture.md, DeepSeek-V2 (arXiv:2405.04434).
double attention_flops_per_pair(const Attention& attention, bool absorbed);

}  // namespace moesaic
