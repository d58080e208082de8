// What a GPU is asked to do: one plain value per kernel, its shape and its buffers. The same value runs on a GPU, on
// the CPU that executes the kernels in tests, and in a stub that only counts. Pointers are device pointers; arrays are
// dense and row-major unless said. Every work is asynchronous on one stream.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/dtype.hpp"
#include "base/quantity.hpp"

namespace moesaic::cuda {

// Memory ---------------------------------------------------------------------------------------------------------

enum class Stream : unsigned char { read, write, copy, triad };

/// Streams over arrays of `bytes` each with 16-byte accesses: read a; write a; a = b; a = b + s c (fp32). A read that
/// finds a value that is nowhere stores it to `sink`, so that the compiler keeps the loads.
struct StreamWork {
  Stream stream = Stream::read;
  void* a = nullptr;
  const void* b = nullptr;
  const void* c = nullptr;
  void* sink = nullptr;     ///< 16 bytes
  std::uint64_t bytes = 0;  ///< of one array; a multiple of 16
  int blocks = 1;           ///< of 512 threads that stride over the arrays; 4 fill a multiprocessor
};
/// One thread follows next[i] for `steps` steps: the latency of one dependent load. The last index goes to `out`.
struct ChaseWork {
  const std::uint32_t* next = nullptr;  ///< a permutation with a single cycle, one index per `stride` elements
  std::uint32_t steps = 0;
  std::uint32_t* out = nullptr;
};
/// A kernel that does nothing: launch latency.
struct EmptyWork {};

// Compute roofs --------------------------------------------------------------------------------------------------

/// One round of a block: a product of 64 x 256 x 128 bytes, by wgmma from shared memory or by mma.sync from registers.
inline constexpr int kIssueRows = 64, kIssueColumns = 256, kIssueBytes = 128;
/// Every block issues `loops` rounds of tensor-core products that need not wait for each other.
struct TensorIssueWork {
  DType dtype = DType::bf16;  ///< fp16, bf16, fp8, int8
  int loops = 1;
  int blocks = 1;        ///< of 128 threads; 2 keep a multiprocessor busy
  float* out = nullptr;  ///< [blocks * 128], so that nothing is optimised away
};
/// Multiply-adds of a thread in a round: chains that do not depend on each other, times links.
inline constexpr int kFmaChains = 16, kFmaLinks = 8;
/// Every thread runs `loops` rounds of independent fused multiply-adds in fp32.
struct FmaIssueWork {
  int loops = 1;
  int blocks = 1;        ///< of 256 threads; 8 fill a multiprocessor
  float* out = nullptr;  ///< [blocks * 256]
};

// Products -------------------------------------------------------------------------------------------------------

/// y[batch, m, n] = x[batch, m, k] w[batch, n, k]^T through cuBLASLt; x, w in dtype; y too, but bf16 of fp8 and int32
/// of int8.
struct GemmWork {
  DType dtype = DType::bf16;  ///< fp32 (tf32 off), fp16, bf16, fp8 (e4m3, one scale of 1), int8
  int m = 1, n = 1, k = 1, batch = 1;
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  void* workspace = nullptr;
  std::uint64_t workspace_bytes = 0;
};
/// The same with our own kernel for few rows (m <= 8): w is read once, whatever m.
struct GemvWork {
  DType dtype = DType::bf16;  ///< bf16, fp8
  int m = 1, n = 1, k = 1;    ///< k: a multiple of 16
  const void* x = nullptr;    ///< bf16 [m, k]
  const void* w = nullptr;    ///< [n, k]
  void* y = nullptr;          ///< bf16 [m, n]
};

// Routed experts -------------------------------------------------------------------------------------------------

/// Softmax over logits[tokens, experts] (fp32), the top_k largest with their shares normalised to 1: ids and weights
/// [tokens, top_k]. Equal logits: the lower expert first. top_k <= 32, experts <= 1024.
struct RouteWork {
  int tokens = 0, experts = 1, top_k = 1;
  const float* logits = nullptr;
  std::int32_t* ids = nullptr;
  float* weights = nullptr;
};
/// Sorts choices by expert: offsets[experts + 1], and for every choice (token * top_k + j) its row in the sorted
/// order; gathers x[tokens, hidden] (bf16) into rows[tokens * top_k, hidden]. Within an expert rows keep the order of
/// tokens.
struct PermuteWork {
  int tokens = 0, experts = 1, top_k = 1, hidden = 1;  ///< hidden: a multiple of 8
  const std::int32_t* ids = nullptr;
  const void* x = nullptr;
  std::int32_t* offsets = nullptr;
  std::int32_t* row_of_choice = nullptr;
  void* rows = nullptr;
};
/// y[r, n] = x[r, k] w[e(r)][n, k]^T for the sorted rows r of every expert e, offsets[experts + 1] on the device. With
/// `gated`, w is [experts][2 n, k], and y = SiLU(gate) * up with gate the first n columns.
struct GroupedGemmWork {
  DType dtype = DType::bf16;                ///< bf16
  int rows = 0, n = 1, k = 1, experts = 1;  ///< k: a multiple of 16
  bool gated = false;
  const std::int32_t* offsets = nullptr;
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
};
/// out[token] = sum over j of weights[token, j] rows[row_of_choice[token, j]]; bf16 with fp32 sums.
struct UnpermuteWork {
  int tokens = 0, top_k = 1, hidden = 1;  ///< hidden: a multiple of 8
  const std::int32_t* row_of_choice = nullptr;
  const float* weights = nullptr;
  const void* rows = nullptr;
  void* out = nullptr;
};

// Attention ------------------------------------------------------------------------------------------------------

/// One new token per sequence against a paged cache: q, out [sequences, q_heads, head_dim] bf16; k, v
/// [pages, page_tokens, kv_heads, head_dim] in kv_dtype. The context of a sequence is split in `splits` parts that are
/// combined by a second kernel. window: only the last so many tokens; 0: all.
struct DecodeAttentionWork {
  DType kv_dtype = DType::bf16;                                  ///< bf16, fp8 (e4m3, scale 1)
  int sequences = 1, q_heads = 1, kv_heads = 1, head_dim = 128;  ///< head_dim: 64, 128, 256
  int page_tokens = 16, pages_per_sequence = 1, window = 0, splits = 1;
  float scale = 1;
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  const std::int32_t* page_table = nullptr;  ///< [sequences, pages_per_sequence]
  const std::int32_t* contexts = nullptr;    ///< [sequences], at least 1, at most 2^31 - 2^16
  float* partial = nullptr;                  ///< scratch: [sequences, q_heads, splits, head_dim + 2]
  void* out = nullptr;
};
/// Multi-head latent attention, absorbed: q [sequences, heads, latent + rope] bf16 against one shared cache row per
/// token [pages, page_tokens, latent + rope] bf16; values are its first `latent` elements; out [sequences, heads,
/// latent] bf16. latent 512, rope 64.
struct MlaDecodeWork {
  int sequences = 1, heads = 16;
  int latent = 512, rope = 64;
  int page_tokens = 64, pages_per_sequence = 1, splits = 1;
  float scale = 1;
  const void* q = nullptr;
  const void* cache = nullptr;
  const std::int32_t* page_table = nullptr;
  const std::int32_t* contexts = nullptr;
  float* partial = nullptr;  ///< scratch: [sequences, heads, splits, latent + 2]
  void* out = nullptr;
};
/// Causal attention over whole prompts, all of `tokens` length: q [sequences, tokens, q_heads, head_dim], k, v
/// [sequences, tokens, kv_heads, head_dim], out like q; bf16 with fp32 softmax.
struct PrefillAttentionWork {
  int sequences = 1, tokens = 1, q_heads = 1, kv_heads = 1, head_dim = 128;  ///< head_dim: 64, 128
  int window = 0;  ///< a token sees itself and the window - 1 before it; 0: all before it
  float scale = 1;
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* out = nullptr;
};
/// Linear (lightning) attention, one decode step: state[s, h] = decay[h] state[s, h] + k^T v; out = q state. State
/// [sequences, heads, head_dim, head_dim] fp32; q, k, v, out [sequences, heads, head_dim] bf16.
struct LinearAttentionWork {
  int sequences = 1, heads = 1, head_dim = 128;  ///< head_dim: 64, 128
  const float* decay = nullptr;                  ///< [heads]
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  float* state = nullptr;
  void* out = nullptr;
};

// Elementwise ----------------------------------------------------------------------------------------------------

/// out = x / sqrt(mean(x^2) + epsilon) * weight, row by row; bf16 [rows, width]; width a multiple of 8.
struct RmsNormWork {
  int rows = 1, width = 8;
  float epsilon = 1e-6F;
  const void* x = nullptr;
  const void* weight = nullptr;
  void* out = nullptr;
};
/// out[rows, width] = SiLU(x[:, :width]) * x[:, width:]; x is [rows, 2 width] bf16; width a multiple of 8.
struct SiluMulWork {
  int rows = 1, width = 8;
  const void* x = nullptr;
  void* out = nullptr;
};
/// Rotary position embedding in place on x[tokens, heads, head_dim] bf16: pairs (i, i + head_dim / 2), angle
/// position * base^(-2 i / head_dim). head_dim: a multiple of 16, at most 256.
struct RotaryWork {
  int tokens = 1, heads = 1, head_dim = 128;
  float base = 10000;
  const std::int32_t* positions = nullptr;  ///< [tokens]
  void* x = nullptr;
};
/// x[rows, width] bf16 to fp8 (e4m3), with one scale per 1 x 128 block (the largest magnitude over 448):
/// scales[rows, width / 128]. A block of zeros has scale 1.
struct QuantizeWork {
  int rows = 1, width = 128;  ///< width: a multiple of 128
  const void* x = nullptr;
  void* out = nullptr;
  float* scales = nullptr;
};

using Work =
    std::variant<EmptyWork, StreamWork, ChaseWork, TensorIssueWork, FmaIssueWork, GemmWork, GemvWork, RouteWork,
                 PermuteWork, GroupedGemmWork, UnpermuteWork, DecodeAttentionWork, MlaDecodeWork, PrefillAttentionWork,
                 LinearAttentionWork, RmsNormWork, SiluMulWork, RotaryWork, QuantizeWork>;

/// The least that a work must move and compute, whatever the kernel: each input read once, each output written once.
/// Where the work depends on data that only the device holds (contexts, offsets), full pages and evenly loaded
/// experts are assumed.
struct Floor {
  Bytes bytes{};
  Flops flops{};
};
Floor floor(const Work& work);
/// "decode attention bf16 sequences=8 q_heads=32 ...", for people.
std::string describe(const Work& work);

}  // namespace moesaic::cuda
