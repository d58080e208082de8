// MoE-Lens (arXiv:2504.09345): all weights streamed layer by layer, KV cache and decode attention on the CPU.
// Equation numbers are the paper's; a generation takes `prompt` + `generated` tokens, a pass streams all weights once.
#pragma once

#include "base/quantity.hpp"
#include "model/offload/alike_layers.hpp"

namespace moesaic::moe_lens {

/// How numbers of the paper are counted. `decimal`: all prefixes are powers of 1000. `paper` (its Table 2): a TFLOPS is
/// 1024 GFLOPS, and a GB of KV cache is 1000 MiB.
enum class Counting { decimal, paper };

/// Eq 1, first line: FLOPs of a pass of `tokens` tokens over the bytes of its 16-bit weights.
FlopsPerByte gemm_intensity(const AlikeLayers& model, double tokens);
/// Eq 1, second line as printed. Attention's projections count half of those in the first line.
FlopsPerByte printed_gemm_intensity(const AlikeLayers& model, double tokens);
/// Eq 1, third line: tokens * N_k / N_e.
FlopsPerByte expert_gemm_intensity(const AlikeLayers& model, double tokens);

/// Eq 2: tokens of a pass from which the GPU's `compute`, and no longer the `link`, is the limit.
double tokens_to_saturate(const AlikeLayers& model, FlopsPerSecond compute, BytesPerSecond link,
                          Counting counting = Counting::decimal);
/// KV cache of that many sequences of `length` tokens (Table 2).
Bytes kv_to_saturate(const AlikeLayers& model, FlopsPerSecond compute, BytesPerSecond link, double length,
                     Counting counting = Counting::decimal);

/// Eq 3, the sums: tokens that a token of KV capacity lets run in parallel, each pass, averaged over a sequence.
double memory_efficiency(double prompt, double generated);
/// Eq 3, the closed form that is printed; it leaves out the KV of the first token.
double printed_memory_efficiency(double prompt, double generated);

/// delta: time to stream all weights once.
Seconds streaming_time(Bytes weights, BytesPerSecond link);
/// Eq 4: most tokens (prompts' and generated ones) a second, for KV capacity in tokens and the GPU's own rate.
PerSecond most_tokens(double efficiency, double kv_tokens, Seconds streaming, PerSecond gpu);

/// Eq 5: host memory traffic: the whole KV cache once while all weights are streamed, and the weights.
BytesPerSecond host_bandwidth(Bytes kv, Bytes weights, BytesPerSecond link);
/// Eq 6: what the CPU computes for attention over KV read at `kv_rate`. The paper's intensity is not defined in what we
/// could read of it, so it is an argument.
FlopsPerSecond cpu_attention(const AlikeLayers& model, FlopsPerByte intensity, BytesPerSecond kv_rate);
/// Eq 7: prefill beside decode: sequences are at any point of their lives, so the cache holds as many as one this much
/// larger would if all had their full length.
Bytes effective_kv(Bytes kv, double prompt, double generated);

/// KV tokens times passes that a sequence occupies, in blocks of `block` tokens: the denominator of Eq 3 for block 1.
double kv_token_passes(double prompt, double generated, double block);

/// Stage 2: a finite batch. Eqs 8 to 14 are not available to us; this is OUR reconstruction from what is known of them
/// (at most q(p+g) tokens a pass, the slower of link and GPU, a prologue and an epilogue, Stage 1 as requests grow and
/// blocks shrink). q sequences enter each pass and as many leave it: as many as KV or the GPU in one streaming
/// time admits; all requests enter in requests / q passes, and the last stays `generated` passes.
struct Batch {
  double requests = 0;
  double prompt = 0;
  double generated = 0;
  double block = 1;  ///< tokens of a KV block
};
struct BatchTime {
  double admitted = 0;         ///< q, sequences a pass
  double tokens_per_pass = 0;  ///< q (p + g), once in full swing
  double passes = 0;
  Seconds total;
  PerSecond generated;       ///< over the whole batch
  bool kv_is_limit = false;  ///< else the GPU
};
BatchTime batch_time(const Batch& batch, double kv_tokens, Seconds streaming, PerSecond gpu);

}  // namespace moesaic::moe_lens
