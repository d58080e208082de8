// Decode attention with a latent cache, absorbed: all heads read the same row per token, whose first elements are the
// values too. Up to 64 heads share what is read once into shared memory.
#pragma once

#include "kernels/cuda/combine.cuh"
#include "kernels/cuda/ptx/ldmatrix.cuh"
#include "kernels/cuda/ptx/memory.cuh"
#include "kernels/cuda/ptx/mma.cuh"

namespace moesaic::cuda {

inline constexpr int kLatent = 512, kRope = 64;
inline constexpr int kMlaWarps = 8, kMlaHeads = 64, kMlaTokens = 32, kMlaStages = 2;
inline constexpr int kMlaChunks = (kLatent + kRope) / 8;  ///< of 16 bytes in a row
/// Scores: a warp has 16 heads and half of the tokens. Sums: 32 heads and a quarter of the latent elements.
inline constexpr int kMlaRowTiles = kMlaHeads / 16, kMlaColumns = kLatent / 4;

struct MlaShared {
  uint4 q[kMlaHeads * kMlaChunks];
  uint4 ring[kMlaStages][kMlaTokens * kMlaChunks];
  uint4 shares[kMlaHeads * kMlaTokens / 8];  ///< bf16
  float greatest[2][kMlaHeads];              ///< of each half of the tokens
  float shrink[kMlaHeads];
  float sum[2][kMlaHeads];
};

__device__ __forceinline__ int mla_place(int row, int chunk) { return row * kMlaChunks + (chunk ^ row % 8); }
/// Rows of 4 chunks: two rows fill all banks once.
__device__ __forceinline__ int share_place(int row, int chunk) { return row * 4 + (chunk ^ row / 2 % 4); }

struct MlaArguments {
  const Bf16* q;
  const Bf16* cache;
  const std::int32_t* page_table;
  const std::int32_t* contexts;
  float* partial;
  Bf16* out;
  int heads, page_tokens, pages_per_sequence, splits;
  float scale;  ///< of scores in powers of two
};

/// Every warp loads four tokens: nine lanes' worth of rows each.
__device__ __forceinline__ void load_mla_tile(uint4* tile, const MlaArguments& arguments, const std::int32_t* pages,
                                              int first, int end) {
  constexpr int kTokens = kMlaTokens / kMlaWarps;
  const int row = cache_row(pages, first + warp_index() * kTokens + lane_index() % kTokens, end, arguments.page_tokens);
#pragma unroll(3)
  for (int i = lane_index(); i < kTokens * kMlaChunks; i += 32) {
    const int token = i / kMlaChunks, chunk = i % kMlaChunks;
    const int from = __shfl_sync(kAllLanes, row, token);
    copy_async(&tile[mla_place(warp_index() * kTokens + token, chunk)],
               arguments.cache + (from < 0 ? 0 : (static_cast<std::size_t>(from) * kMlaChunks + chunk) * 8),
               from < 0 ? 0 : 16);
  }
}

/// 16 heads and 16 tokens; even and odd steps have sums of their own, or each product would wait for the last.
__device__ __forceinline__ void mla_scores(const MlaShared& shared, const uint4* tile, int first_head, int first_token,
                                           float (&scores)[2][4]) {
  const int lane = lane_index();
  float odd[2][4] = {};
#pragma unroll(4)
  for (int step = 0; step < kMlaChunks / 2; ++step) {
    std::uint32_t a[4], b[4];
    load_matrices(a, &shared.q[mla_place(first_head + lane % 16, step * 2 + lane / 16)]);
    load_matrices(b, &tile[mla_place(first_token + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2)]);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      mma_bf16(step % 2 == 0 ? scores[j] : odd[j], a, {b[2 * j], b[2 * j + 1]});
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    scores[i / 4][i % 4] += odd[i / 4][i % 4];
  }
}

/// Shares of 32 heads times values of all tokens, for a quarter of the latent elements.
__device__ __forceinline__ void mla_values(const MlaShared& shared, const uint4* tile, int first_head, int row_tiles,
                                           int first_column, float (&sums)[2][kMlaColumns / 8][4]) {
  const int lane = lane_index();
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float upper = shared.shrink[first_head + i * 16 + lane / 4];
    const float lower = shared.shrink[first_head + i * 16 + lane / 4 + 8];
#pragma unroll
    for (int j = 0; j < kMlaColumns / 8; ++j) {
      sums[i][j][0] *= upper;
      sums[i][j][1] *= upper;
      sums[i][j][2] *= lower;
      sums[i][j][3] *= lower;
    }
  }
#pragma unroll
  for (int step = 0; step < kMlaTokens / 16; ++step) {
    std::uint32_t a[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      load_matrices(a[i], &shared.shares[share_place(first_head + i * 16 + lane % 16, step * 2 + lane / 16)]);
    }
#pragma unroll
    for (int j = 0; j < kMlaColumns / 16; ++j) {
      std::uint32_t b[4];
      load_matrices_transposed(b, &tile[mla_place(step * 16 + lane % 16, first_column / 8 + j * 2 + lane / 16)]);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if (i < row_tiles) {
          mma_bf16(sums[i][2 * j], a[i], {b[0], b[1]});
          mma_bf16(sums[i][2 * j + 1], a[i], {b[2], b[3]});
        }
      }
    }
  }
}

/// A block per part of the context, 64 heads and sequence.
template <int warps>
__global__ void __launch_bounds__(warps * 32) mla_decode(const __grid_constant__ MlaArguments arguments) {
  auto& shared = shared_memory<MlaShared>();
  const int warp = warp_index(), lane = lane_index(), g = lane / 4, t = lane % 4;
  const int part = static_cast<int>(blockIdx.x), sequence = static_cast<int>(blockIdx.z);
  const int block_head = static_cast<int>(blockIdx.y) * kMlaHeads;
  const int heads = min(kMlaHeads, arguments.heads - block_head);
  const std::size_t first_head = static_cast<std::size_t>(sequence) * arguments.heads + block_head;
  const TokenRange range = part_of(0, arguments.contexts[sequence], part, arguments.splits, kMlaTokens);
  const std::int32_t* pages = arguments.page_table + static_cast<std::size_t>(sequence) * arguments.pages_per_sequence;

  const int score_head = warp % kMlaRowTiles * 16, half = warp / kMlaRowTiles;
  const int sum_head = warp % 2 * 32, first_column = warp / 2 * kMlaColumns;
  const int sum_tiles = min(max(ceil_div(heads - sum_head, 16), 0), 2);

  for (int i = static_cast<int>(threadIdx.x); i < kMlaHeads * kMlaChunks; i += warps * 32) {
    const int head = i / kMlaChunks, chunk = i % kMlaChunks;
    const bool inside = head < heads;
    copy_async(&shared.q[mla_place(head, chunk)],
               arguments.q + (inside ? ((first_head + head) * kMlaChunks + chunk) * 8 : 0), inside ? 16 : 0);
  }
  if (range.begin < range.end) {
    load_mla_tile(shared.ring[0], arguments, pages, range.begin, range.end);
  }
  commit_copies();

  float greatest[2] = {kNoScore, kNoScore}, shares[2] = {};
  float sums[2][kMlaColumns / 8][4] = {};
  int stage = 0;
  for (int token = range.begin; token < range.end; token += kMlaTokens) {
    const uint4* tile = shared.ring[stage];
    stage ^= 1;
    wait_copies<0>();
    __syncthreads();  // all see this tile, and all have left the one before it
    if (token + kMlaTokens < range.end) {
      load_mla_tile(shared.ring[stage], arguments, pages, token + kMlaTokens, range.end);
    }
    commit_copies();

    float scores[2][4] = {};
    if (score_head < heads) {
      mla_scores(shared, tile, score_head, half * 16, scores);
    }
    float tile_greatest[2] = {2 * kNoScore, 2 * kNoScore};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float& score = scores[i / 4][i % 4];
      score = token + half * 16 + i / 4 * 8 + 2 * t + i % 2 < range.end ? score * arguments.scale : 2 * kNoScore;
      tile_greatest[i / 2 % 2] = fmaxf(tile_greatest[i / 2 % 2], score);
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      tile_greatest[r] = warp_max<4>(tile_greatest[r]);
      if (t == 0) {
        shared.greatest[half][score_head + g + 8 * r] = tile_greatest[r];
      }
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int head = score_head + g + 8 * r;
      const float now = fmaxf(greatest[r], fmaxf(shared.greatest[0][head], shared.greatest[1][head]));
      const float shrink = exp2_fast(greatest[r] - now);
      greatest[r] = now;
      shares[r] *= shrink;
      if (half == 0 && t == 0) {
        shared.shrink[head] = shrink;
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float first = exp2_fast(scores[i][2 * r] - now), second = exp2_fast(scores[i][2 * r + 1] - now);
        shares[r] += first + second;
        store4(reinterpret_cast<std::uint32_t*>(&shared.shares[share_place(head, half * 2 + i)]) + t,
               pack_bf16(first, second));
      }
    }
    __syncthreads();
    if (sum_tiles > 0) {
      mla_values(shared, tile, sum_head, sum_tiles, first_column, sums);
    }
  }

#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float sum = warp_sum<4>(shares[r]);
    if (t == 0) {
      shared.sum[half][score_head + g + 8 * r] = sum;
      shared.greatest[half][score_head + g + 8 * r] = greatest[r];  // the same in both halves
    }
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    const int head = sum_head + g + 8 * r;
    if (head >= heads) {
      break;
    }
    const float sum = shared.sum[0][head] + shared.sum[1][head];
    const std::size_t row = first_head + head;
    if (arguments.splits == 1) {
      Bf16* out = arguments.out + row * kLatent + first_column + 2 * t;
#pragma unroll
      for (int j = 0; j < kMlaColumns / 8; ++j) {
        store4(out + j * 8, pack_bf16(sums[r / 2][j][r % 2 * 2] / sum, sums[r / 2][j][r % 2 * 2 + 1] / sum));
      }
    } else {
      float* partial = arguments.partial + (row * arguments.splits + part) * (kLatent + 2);
#pragma unroll
      for (int j = 0; j < kMlaColumns / 4; ++j) {
        partial[first_column + j / 2 * 8 + 2 * t + j % 2] = sums[r / 2][j / 2][r % 2 * 2 + j % 2];
      }
      if (first_column == 0 && t == 0) {
        partial[kLatent] = shared.greatest[0][head];
        partial[kLatent + 1] = sum;
      }
    }
  }
}

template <class Launcher>
Status launch(const Launcher& launcher, const MlaDecodeWork& work) {
  if (work.latent != kLatent || work.rope != kRope) {
    return not_supported("MLA decode: latent " + std::to_string(work.latent) + ", rope " + std::to_string(work.rope) +
                         "; known are 512 and 64");
  }
  if (work.sequences < 1 || work.sequences > 65535 || work.heads < 1 || work.page_tokens < 1 || work.splits < 1) {
    return invalid("MLA decode: all sizes must be at least 1");
  }
  const MlaArguments arguments{.q = static_cast<const Bf16*>(work.q),
                               .cache = static_cast<const Bf16*>(work.cache),
                               .page_table = work.page_table,
                               .contexts = work.contexts,
                               .partial = work.partial,
                               .out = static_cast<Bf16*>(work.out),
                               .heads = work.heads,
                               .page_tokens = work.page_tokens,
                               .pages_per_sequence = work.pages_per_sequence,
                               .splits = work.splits,
                               .scale = work.scale * kLog2E};
  const Status status = launcher(Grid{.blocks_x = static_cast<unsigned>(work.splits),
                                      .blocks_y = static_cast<unsigned>(ceil_div(work.heads, kMlaHeads)),
                                      .blocks_z = static_cast<unsigned>(work.sequences),
                                      .threads = kMlaWarps * 32,
                                      .shared_bytes = sizeof(MlaShared)},
                                 mla_decode<kMlaWarps>, arguments);
  if (!status.ok() || work.splits == 1) {
    return status;
  }
  return launch_combine(launcher, work.partial, work.out, work.sequences * work.heads, work.splits, kLatent);
}

}  // namespace moesaic::cuda
