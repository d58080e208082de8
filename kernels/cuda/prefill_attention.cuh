// Causal attention over whole prompts, bound by the tensor cores: a block keeps 128 queries of one head and goes over
// the keys before them, tile by tile, without ever storing scores.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/ptx/ldmatrix.cuh"
#include "kernels/cuda/ptx/memory.cuh"
#include "kernels/cuda/ptx/mma.cuh"
#include "kernels/cuda/softmax.cuh"

namespace moesaic::cuda {

inline constexpr int kPrefillWarps = 4;
inline constexpr int kQueryTiles = 2;  ///< of 16 queries in a warp: a key that is read serves both
inline constexpr int kPrefillQueries = kPrefillWarps * kQueryTiles * 16;

template <int head_dim, int keys>
struct PrefillShape {
  static constexpr int kHeadDim = head_dim, kKeys = keys, kChunks = head_dim / 8;
  struct Stage {
    uint4 k[keys * kChunks];
    uint4 v[keys * kChunks];
  };
  struct Shared {
    uint4 q[kPrefillQueries * kChunks];
    Stage ring[2];
  };
  static __device__ __forceinline__ int place(int row, int chunk) { return row * kChunks + (chunk ^ row % 8); }
};

struct PrefillArguments {
  const Bf16* q;
  const Bf16* k;
  const Bf16* v;
  Bf16* out;
  int tokens, q_heads, kv_heads, window;
  float scale;  ///< of scores in powers of two
};

/// Rows first ... of one head of a [tokens, heads, head_dim] array; zeros behind the last token.
template <class Shape, int rows>
__device__ __forceinline__ void load_rows(uint4 (&tile)[rows * Shape::kChunks], const Bf16* from, int first, int tokens,
                                          int heads) {
#pragma unroll(4)
  for (int i = static_cast<int>(threadIdx.x); i < rows * Shape::kChunks; i += kPrefillWarps * 32) {
    const int row = i / Shape::kChunks, chunk = i % Shape::kChunks;
    const bool inside = first + row < tokens;
    const std::size_t token = inside ? static_cast<std::size_t>(first + row) : 0;
    copy_async(&tile[Shape::place(row, chunk)], from + token * heads * Shape::kHeadDim + chunk * 8, inside ? 16 : 0);
  }
}

template <class Shape>
__device__ __forceinline__ void score_keys(const typename Shape::Shared& shared, const uint4* keys,
                                           float (&scores)[kQueryTiles][Shape::kKeys / 8][4]) {
  const int lane = lane_index(), first_row = warp_index() * kQueryTiles * 16;
#pragma unroll(2)
  for (int step = 0; step < Shape::kHeadDim / 16; ++step) {
    std::uint32_t a[kQueryTiles][4];
#pragma unroll
    for (int i = 0; i < kQueryTiles; ++i) {
      load_matrices(a[i], &shared.q[Shape::place(first_row + i * 16 + lane % 16, step * 2 + lane / 16)]);
    }
#pragma unroll
    for (int j = 0; j < Shape::kKeys / 16; ++j) {
      std::uint32_t b[4];
      load_matrices(b, &keys[Shape::place(j * 16 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2)]);
#pragma unroll
      for (int i = 0; i < kQueryTiles; ++i) {
        mma_bf16(scores[i][2 * j], a[i], {b[0], b[1]});
        mma_bf16(scores[i][2 * j + 1], a[i], {b[2], b[3]});
      }
    }
  }
}

template <class Shape>
__device__ __forceinline__ void add_values(const uint4* values, const float (&scores)[kQueryTiles][Shape::kKeys / 8][4],
                                           float (&sums)[kQueryTiles][Shape::kHeadDim / 8][4]) {
  const int lane = lane_index();
#pragma unroll
  for (int step = 0; step < Shape::kKeys / 16; ++step) {
    std::uint32_t a[kQueryTiles][4];
#pragma unroll
    for (int i = 0; i < kQueryTiles; ++i) {
      const auto& left = scores[i][2 * step];
      const auto& right = scores[i][2 * step + 1];
      a[i][0] = pack_bf16(left[0], left[1]);
      a[i][1] = pack_bf16(left[2], left[3]);
      a[i][2] = pack_bf16(right[0], right[1]);
      a[i][3] = pack_bf16(right[2], right[3]);
    }
#pragma unroll
    for (int j = 0; j < Shape::kHeadDim / 16; ++j) {
      std::uint32_t b[4];
      load_matrices_transposed(b, &values[Shape::place(step * 16 + lane % 16, j * 2 + lane / 16)]);
#pragma unroll
      for (int i = 0; i < kQueryTiles; ++i) {
        mma_bf16(sums[i][2 * j], a[i], {b[0], b[1]});
        mma_bf16(sums[i][2 * j + 1], a[i], {b[2], b[3]});
      }
    }
  }
}

/// A block per head, 128 queries and sequence; the last queries, which see the most keys, come first.
template <class Shape>
__global__ void __launch_bounds__(kPrefillWarps * 32)
    prefill_attention(const __grid_constant__ PrefillArguments arguments) {
  auto& shared = shared_memory<typename Shape::Shared>();
  const int tokens = arguments.tokens, window = arguments.window;
  const int head = static_cast<int>(blockIdx.x), sequence = static_cast<int>(blockIdx.z);
  const int first = static_cast<int>(gridDim.y - 1 - blockIdx.y) * kPrefillQueries;
  const int last = min(first + kPrefillQueries, tokens) - 1;
  const int kv_head = head / (arguments.q_heads / arguments.kv_heads);
  const std::size_t query_offset =
      (static_cast<std::size_t>(sequence) * tokens * arguments.q_heads + head) * Shape::kHeadDim;
  const std::size_t key_offset =
      (static_cast<std::size_t>(sequence) * tokens * arguments.kv_heads + kv_head) * Shape::kHeadDim;
  const Bf16* const k = arguments.k + key_offset;
  const Bf16* const v = arguments.v + key_offset;

  const auto load_stage = [&](typename Shape::Stage& stage, int key) {
    load_rows<Shape, Shape::kKeys>(stage.k, k, key, tokens, arguments.kv_heads);
    load_rows<Shape, Shape::kKeys>(stage.v, v, key, tokens, arguments.kv_heads);
  };
  const int begin = window > 0 ? max(first - window + 1, 0) / Shape::kKeys * Shape::kKeys : 0;
  load_rows<Shape, kPrefillQueries>(shared.q, arguments.q + query_offset, first, tokens, arguments.q_heads);
  load_stage(shared.ring[0], begin);
  commit_copies();

  RunningSoftmax softmax[kQueryTiles];
  float sums[kQueryTiles][Shape::kHeadDim / 8][4] = {};
  const int row = first + warp_index() * kQueryTiles * 16 + lane_index() / 4;  // the first of this lane's queries
  int stage = 0;
  for (int key = begin; key <= last; key += Shape::kKeys) {
    const auto& tile = shared.ring[stage];
    stage ^= 1;
    wait_copies<0>();
    __syncthreads();  // all see this tile, and all have left the one before it
    if (key + Shape::kKeys <= last) {
      load_stage(shared.ring[stage], key + Shape::kKeys);
    }
    commit_copies();

    float scores[kQueryTiles][Shape::kKeys / 8][4] = {};
    score_keys<Shape>(shared, tile.k, scores);
    const bool all_seen =
        key + Shape::kKeys - 1 <= first && (window == 0 || key > first + kPrefillQueries - 1 - window);
#pragma unroll
    for (int i = 0; i < kQueryTiles; ++i) {
#pragma unroll
      for (int j = 0; j < Shape::kKeys / 8; ++j) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          const int query = row + i * 16 + c / 2 * 8, column = key + j * 8 + lane_index() % 4 * 2 + c % 2;
          const bool seen = all_seen || (column <= query && (window == 0 || column > query - window));
          scores[i][j][c] = seen ? scores[i][j][c] * arguments.scale : 2 * kNoScore;
        }
      }
      float shrink[2];
      softmax[i].add(scores[i], shrink);
#pragma unroll
      for (int j = 0; j < Shape::kHeadDim / 8; ++j) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          sums[i][j][c] *= shrink[c / 2];
        }
      }
    }
    add_values<Shape>(tile.v, scores, sums);
  }

#pragma unroll
  for (int r = 0; r < kQueryTiles * 2; ++r) {
    const float scale = 1 / warp_sum<4>(softmax[r / 2].shares[r % 2]);
    const int query = row + r * 8;
    if (query < tokens) {
      Bf16* out = arguments.out + query_offset + static_cast<std::size_t>(query) * arguments.q_heads * Shape::kHeadDim +
                  lane_index() % 4 * 2;
#pragma unroll
      for (int j = 0; j < Shape::kHeadDim / 8; ++j) {
        store4(out + j * 8, pack_bf16(sums[r / 2][j][r % 2 * 2] * scale, sums[r / 2][j][r % 2 * 2 + 1] * scale));
      }
    }
  }
}

template <class Shape, class Launcher>
Status launch_prefill(const Launcher& launcher, const PrefillAttentionWork& work) {
  const PrefillArguments arguments{.q = static_cast<const Bf16*>(work.q),
                                   .k = static_cast<const Bf16*>(work.k),
                                   .v = static_cast<const Bf16*>(work.v),
                                   .out = static_cast<Bf16*>(work.out),
                                   .tokens = work.tokens,
                                   .q_heads = work.q_heads,
                                   .kv_heads = work.kv_heads,
                                   .window = work.window,
                                   .scale = work.scale * kLog2E};
  return launcher(Grid{.blocks_x = static_cast<unsigned>(work.q_heads),
                       .blocks_y = static_cast<unsigned>(ceil_div(work.tokens, kPrefillQueries)),
                       .blocks_z = static_cast<unsigned>(work.sequences),
                       .threads = kPrefillWarps * 32,
                       .shared_bytes = sizeof(typename Shape::Shared)},
                  prefill_attention<Shape>, arguments);
}

template <class Launcher>
Status launch(const Launcher& launcher, const PrefillAttentionWork& work) {
  if (work.sequences < 1 || work.sequences > 65535 || work.tokens < 1 || work.tokens > 65535 * kPrefillQueries ||
      work.kv_heads < 1 || work.q_heads < work.kv_heads || work.q_heads % work.kv_heads != 0 || work.window < 0) {
    return invalid("prefill attention: q_heads must be a multiple of kv_heads, and all sizes at least 1");
  }
  switch (work.head_dim) {
    case 64:
      return launch_prefill<PrefillShape<64, 64>>(launcher, work);
    case 128:
      return launch_prefill<PrefillShape<128, 32>>(launcher, work);
    default:
      return not_supported("prefill attention: head_dim " + std::to_string(work.head_dim) + "; known are 64 and 128");
  }
}

}  // namespace moesaic::cuda
