// FLOP and byte counts as papers print them: every convention is a named switch with one default.
#pragma once

#include <cstdint>

#include "base/quantity.hpp"
#include "model/architecture.hpp"

namespace moesaic {

/// Conventions in which published counts differ. The defaults are what a causal kernel really does.
struct Accounting {
  bool causal_attention = true;  ///< count (T+1)/2 keys for a query on average; false: the full square
  bool lm_head = true;           ///< count the output projection
  bool absorbed_mla = false;     ///< MLA scores in the absorbed form (decode) instead of the unabsorbed one
  bool attention_scores = true;  ///< count scores and values at all, states of linear attention included
  bool projections_as_mha =
      false;  ///< count K and V projections as if every query head had its own (DeepSeekMoE Table 6)
};

/// Forward FLOPs of `tokens` new tokens of one sequence after `context` cached ones. Unabsorbed MLA takes the keys and
/// values of cached tokens as built.
Flops forward_flops(const Architecture& architecture, std::int64_t tokens, std::int64_t context,
                    const Accounting& accounting = {});
/// FLOPs of generating `tokens` tokens one by one after `context` cached ones: the sum of that many forward_flops of
/// one token. Causal by nature.
Flops generation_flops(const Architecture& architecture, std::int64_t tokens, std::int64_t context,
                       const Accounting& accounting = {});
/// Training FLOPs (forward and backward: 3x forward) of one sequence, per token.
Flops training_flops_per_token(const Architecture& architecture, std::int64_t sequence,
                               const Accounting& accounting = {});

/// Most tokens that NSA loads for one query at context s (arXiv:2502.11089): s/d compressed + n selected blocks of l' +
/// w window.
struct NativeSparseAttention {
  std::int64_t compression_stride = 16;
  std::int64_t selected_block = 64;
  std::int64_t selected_blocks = 16;
  std::int64_t window = 512;
};
double nsa_tokens_loaded(const NativeSparseAttention& attention, std::int64_t context);

/// Decode under expert parallelism when only the all-to-all counts (arXiv:2505.09343, section 2.3.2). Two micro-batches
/// take turns, so a layer takes the exchanges of both.
struct ExpertParallelDecode {
  double tokens = 32;         ///< of one device in one micro-batch
  double destinations = 9;    ///< experts that a token goes to, the shared one included
  double hidden = 7000;       ///< elements of a token, as the paper rounds them
  double dispatch_bytes = 1;  ///< per element, fp8
  double combine_bytes = 2;   ///< per element, bf16
  double micro_batches = 2;
  double layers = 61;
  BytesPerSecond bandwidth{50e9};
};
struct ExpertParallelBound {
  Seconds exchange;  ///< dispatch and combine of one micro-batch
  Seconds layer;
  Seconds token;   ///< least time per output token
  PerSecond rate;  ///< tokens a second of one sequence
};
ExpertParallelBound expert_parallel_bound(const ExpertParallelDecode& decode);

/// Cost of best-of-n generation in Kinetics (arXiv:2506.05333): prompt c, generated g, trials n sharing the prompt.
struct KineticsLoad {
  double prompt = 0;
  double generated = 0;
  double trials = 1;
};
struct KineticsCost {
  Flops compute;
  Bytes memory;
  Flops equivalent;  ///< eFLOPs = compute + memory * intensity
};
inline constexpr FlopsPerByte kKineticsIntensity{562.5};  ///< the authors' code: 4500 TFLOP/s over 8 TB/s (B200)
/// `parameters`: the published size N. heads_dim = query heads x head_dim x layers, kv_dim = KV heads x head_dim x
/// layers. Weight reads are left out, as in the paper. Sources: cost_model/utils.py of
/// github.com/Infini-AI-Lab/Kinetics.
KineticsCost kinetics_dense(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load);
/// Tokens that sparse attention reads. The first queries see fewer tokens than the budget; the authors' published costs
/// add that shortfall, (budget - prompt)^2 / 2, where it should be subtracted.
struct KineticsSparsity {
  double local = 0;
  double block = 16;
  double top_k = 64;
  bool subtract_shortfall = false;
  double budget() const { return local + block * top_k; }
};
/// The best `budget` tokens at no cost of finding them; trials share nothing.
KineticsCost kinetics_top_k(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load,
                            const KineticsSparsity& sparsity);
/// Block top-k attention: besides, every query is scored against one key for each whole block of the context.
KineticsCost kinetics_block_top_k(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load,
                                  const KineticsSparsity& sparsity);

}  // namespace moesaic
