#include "model/accounting.hpp"

#include <algorithm>
#include <cmath>

#include "model/operator.hpp"
#include "model/real.hpp"

namespace moesaic {
namespace {

// Keys that one layer's queries see in total. `window` 0: all.
double pairs(double tokens, double context, double window, bool chunked, bool causal) {
  if (causal) {
    return attention_pairs(tokens, context, window, chunked);
  }
  const double all = context + tokens;
  return tokens * (window > 0 ? std::min(all, window) : all);
}

double seen_pairs(const Attention& attention, double tokens, double context, bool causal) {
  if (const auto* softmax = std::get_if<SoftmaxAttention>(&attention)) {
    return pairs(tokens, context, real(softmax->window), softmax->chunked, causal);
  }
  const auto* latent = std::get_if<LatentAttention>(&attention);
  return latent != nullptr ? pairs(tokens, context, real(latent->indexer.top_k), false, causal) : 0;
}

// Scores and values of one layer, with the indexer's scores, which see every token. `step`: tokens computed at once.
double score_flops(const Attention& attention, double tokens, double context, double step,
                   const Accounting& accounting) {
  if (!accounting.attention_scores) {
    return 0;
  }
  const bool causal = accounting.causal_attention;
  return seen_pairs(attention, tokens, context, causal) * attention_flops_per_pair(attention, accounting.absorbed_mla) +
         pairs(tokens, context, 0, false, causal) * indexer_flops_per_pair(attention) +
         tokens * linear_attention_flops_per_token(attention, step);
}

// Weights that the K and V projections would have more if every query head had its own.
double mha_surplus(const Attention& attention, std::int64_t hidden) {
  const auto* softmax = std::get_if<SoftmaxAttention>(&attention);
  return softmax == nullptr
             ? 0
             : real(hidden) * real(softmax->heads - softmax->kv_heads) * real(softmax->qk_dim + softmax->v_dim);
}

double matmul_parameters(const Architecture& architecture, const Accounting& accounting) {
  double parameters = count_parameters(architecture).active_matmul;
  if (!accounting.lm_head) {
    parameters -= real(architecture.vocabulary) * real(architecture.hidden);
  }
  for (std::size_t kind = 0; accounting.projections_as_mha && kind < architecture.kinds.size(); ++kind) {
    parameters += real(architecture.count_of_kind(static_cast<int>(kind))) *
                  mha_surplus(architecture.kinds[kind].attention, architecture.hidden);
  }
  return parameters;
}

Flops total_flops(const Architecture& architecture, double tokens, double context, double step,
                  const Accounting& accounting) {
  double flops = 2 * tokens * matmul_parameters(architecture, accounting);
  for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
    flops += real(architecture.count_of_kind(static_cast<int>(kind))) *
             score_flops(architecture.kinds[kind].attention, tokens, context, step, accounting);
  }
  return {flops};
}

KineticsCost kinetics(Flops compute, Bytes memory) { return {compute, memory, compute + memory * kKineticsIntensity}; }

// Key tokens that all queries of one trial read under a budget.
double budgeted_tokens(const KineticsLoad& load, const KineticsSparsity& sparsity) {
  const double early = std::max(0.0, sparsity.budget() - load.prompt);
  return sparsity.budget() * load.generated + (sparsity.subtract_shortfall ? -0.5 : 0.5) * early * early;
}

}  // namespace

Flops forward_flops(const Architecture& architecture, std::int64_t tokens, std::int64_t context,
                    const Accounting& accounting) {
  return total_flops(architecture, real(tokens), real(context), real(tokens), accounting);
}

Flops generation_flops(const Architecture& architecture, std::int64_t tokens, std::int64_t context,
                       const Accounting& accounting) {
  Accounting causal = accounting;
  causal.causal_attention = true;
  return total_flops(architecture, real(tokens), real(context), 1, causal);
}

Flops training_flops_per_token(const Architecture& architecture, std::int64_t sequence, const Accounting& accounting) {
  return forward_flops(architecture, sequence, 0, accounting) * 3 / real(sequence);
}

double nsa_tokens_loaded(const NativeSparseAttention& attention, std::int64_t context) {
  return std::floor(real(context) / real(attention.compression_stride)) +
         real(attention.selected_blocks) * real(attention.selected_block) + real(attention.window);
}

ExpertParallelBound expert_parallel_bound(const ExpertParallelDecode& decode) {
  const Bytes sent{(decode.dispatch_bytes + decode.combine_bytes) * decode.tokens * decode.destinations *
                   decode.hidden};
  ExpertParallelBound bound;
  bound.exchange = sent / decode.bandwidth;
  bound.layer = bound.exchange * decode.micro_batches;
  bound.token = bound.layer * decode.layers;
  bound.rate = {1 / bound.token.value};
  return bound;
}

KineticsCost kinetics_dense(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load) {
  const auto [c, g, n] = load;
  return kinetics({n * (2 * parameters * g + 2 * (2 * c + g) * g * heads_dim)},
                  {2 * (2 * c + g * n) * g * kv_dim});  // K and V in two bytes an element
}

KineticsCost kinetics_top_k(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load,
                            const KineticsSparsity& sparsity) {
  const double tokens = budgeted_tokens(load, sparsity);
  return kinetics({load.trials * (2 * parameters * load.generated + 4 * tokens * heads_dim)},
                  {load.trials * 4 * tokens * kv_dim});
}

KineticsCost kinetics_block_top_k(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load,
                                  const KineticsSparsity& sparsity) {
  const auto [c, g, n] = load;
  const KineticsCost attended = kinetics_top_k(parameters, heads_dim, kv_dim, load, sparsity);
  const Flops search{n * std::floor((2 * c + g) / sparsity.block) * g * heads_dim};
  const Bytes keys{std::floor((2 * c + g * n) / sparsity.block) * g * kv_dim};
  return kinetics(attended.compute + search, attended.memory + keys);
}

}  // namespace moesaic
