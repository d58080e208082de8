// Decode attention over a paged cache: bound by reading keys and values, once for all heads of a group. The heads of a
// group are the rows of a product on the tensor cores; every warp has tokens of its own and a ring of copies for them.
#pragma once

#include "kernels/cuda/combine.cuh"
#include "kernels/cuda/ptx/memory.cuh"
#include "kernels/cuda/ptx/mma.cuh"
#include "kernels/cuda/softmax.cuh"

namespace moesaic::cuda {

inline constexpr int kDecodeWarps = 4;
inline constexpr int kDecodeHeads = 16;   ///< of a block; a larger group takes more blocks
inline constexpr int kDecodeTokens = 16;  ///< of a warp at once

template <int head_dim, bool fp8>
struct DecodeShape {
  static constexpr int kHeadDim = head_dim;
  static constexpr bool kFp8 = fp8;
  static constexpr int kElementBytes = fp8 ? 1 : 2;
  static constexpr int kChunks = head_dim * kElementBytes / 16;  ///< of 16 bytes in a row
  static constexpr int kTileBytes = 2 * kDecodeTokens * kChunks * 16;
  static constexpr int kStages = kTileBytes >= 8192 ? 2 : 4;
  struct Stage {
    uint4 k[kDecodeTokens * kChunks];
    uint4 v[kDecodeTokens * kChunks];
  };
  union Memory {
    Stage ring[kDecodeWarps][kStages];
    float sums[kDecodeWarps][kDecodeHeads][head_dim];  ///< when all tokens are done
  };
  struct Shared {
    Memory memory;
    uint4 q[head_dim / 16][32];  ///< fragments of a lane, the same for all warps: registers would not hold them
    float greatest[kDecodeWarps][kDecodeHeads], shares[kDecodeWarps][kDecodeHeads];
  };

  /// Where a chunk of a row lies, so that the lanes that read together do so from different banks: neighbouring rows
  /// of keys, every other row of values.
  static __device__ __forceinline__ int key_place(int row, int chunk) {
    constexpr bool kShort = kChunks < 8;
    const int turn = kShort ? row / 2 % 2 * 2 : fp8 ? row % 4 * 2 : row % 2 * 4;
    return row * kChunks + (chunk ^ turn);
  }
  static __device__ __forceinline__ int value_place(int row, int chunk) {
    return row * kChunks + (chunk ^ (row / 2 % (kChunks < 8 ? 2 : 4) * 2));
  }
};

/// Eight elements, as bf16 in four words.
struct Elements8 {
  std::uint32_t pair[4];
};

/// Elements 8 `eighth` ... + 7 of a row.
template <class Shape>
__device__ __forceinline__ Elements8 read_key(const uint4* tile, int row, int eighth) {
  if constexpr (Shape::kFp8) {
    const uint2 v = load8(reinterpret_cast<const uint2*>(tile + Shape::key_place(row, eighth / 2)) + eighth % 2);
    return {{fp8_pair_to_bf16(v.x & 0xFFFFU), fp8_pair_to_bf16(v.x >> 16), fp8_pair_to_bf16(v.y & 0xFFFFU),
             fp8_pair_to_bf16(v.y >> 16)}};
  } else {
    const uint4 v = load16(tile + Shape::key_place(row, eighth));
    return {{v.x, v.y, v.z, v.w}};
  }
}

/// The same element of two rows in one word, for eight elements.
template <class Shape>
__device__ __forceinline__ void read_values(std::uint32_t (&pairs)[8], const uint4* tile, int row, int eighth) {
  if constexpr (Shape::kFp8) {
    const int half = eighth % 2;
    const uint2 a = load8(reinterpret_cast<const uint2*>(tile + Shape::value_place(row, eighth / 2)) + half);
    const uint2 b = load8(reinterpret_cast<const uint2*>(tile + Shape::value_place(row + 1, eighth / 2)) + half);
    const std::uint32_t low[2] = {a.x, a.y}, high[2] = {b.x, b.y};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      pairs[i] = fp8_pair_to_bf16(
          select_bytes(low[i / 4], high[i / 4], static_cast<std::uint32_t>(i % 4 | (4 + i % 4) << 4)) & 0xFFFFU);
    }
  } else {
    const uint4 a = load16(tile + Shape::value_place(row, eighth));
    const uint4 b = load16(tile + Shape::value_place(row + 1, eighth));
    const std::uint32_t low[4] = {a.x, a.y, a.z, a.w}, high[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      pairs[2 * i] = select_bytes(low[i], high[i], 0x5410);
      pairs[2 * i + 1] = select_bytes(low[i], high[i], 0x7632);
    }
  }
}

struct DecodeArguments {
  const Bf16* q;
  const unsigned char* k;
  const unsigned char* v;
  const std::int32_t* page_table;
  const std::int32_t* contexts;
  float* partial;
  Bf16* out;
  int q_heads, kv_heads, page_tokens, pages_per_sequence, window, splits;
  float scale;  ///< of scores in powers of two
};

template <class Shape>
__device__ __forceinline__ void load_tile(typename Shape::Stage& stage, const DecodeArguments& arguments, int kv_head,
                                          int row) {
#pragma unroll(4)  // addresses of more copies would crowd the registers
  for (int i = 0; i < kDecodeTokens * Shape::kChunks / 32; ++i) {
    const int token = (i * 32 + lane_index()) / Shape::kChunks, chunk = (i * 32 + lane_index()) % Shape::kChunks;
    const int from = __shfl_sync(kAllLanes, row, token);
    const std::size_t offset =
        from < 0 ? 0 : ((static_cast<std::size_t>(from) * arguments.kv_heads + kv_head) * Shape::kChunks + chunk) * 16;
    copy_async(&stage.k[Shape::key_place(token, chunk)], arguments.k + offset, from < 0 ? 0 : 16);
    copy_async(&stage.v[Shape::value_place(token, chunk)], arguments.v + offset, from < 0 ? 0 : 16);
  }
}

/// Scores of 16 heads and 16 tokens, softmax, and shares times values. Lane 4 g + t reads 8 elements in a row of key
/// g, and of values 2 t, 2 t + 1, 2 t + 8 and 2 t + 9: the order of the elements in a product is free, so sums[i] are
/// elements 8 n + i of the head for n = 2 t and 2 t + 1.
template <class Shape>
__device__ __forceinline__ void attend_tile(const typename Shape::Stage& stage,
                                            const uint4 (&q)[Shape::kHeadDim / 16][32], float scale, int tokens,
                                            RunningSoftmax& softmax, float (&sums)[Shape::kHeadDim / 8][4]) {
  const int g = lane_index() / 4, t = lane_index() % 4;
  float scores[2][4] = {};
#pragma unroll(4)
  for (int j = 0; j < Shape::kHeadDim / 32; ++j) {
    const uint4 q0 = load16(&q[2 * j][lane_index()]), q1 = load16(&q[2 * j + 1][lane_index()]);
#pragma unroll
    for (int tile = 0; tile < 2; ++tile) {
      const Elements8 key = read_key<Shape>(stage.k, tile * 8 + g, j * 4 + t);
      mma_bf16(scores[tile], {q0.x, q0.y, q0.z, q0.w}, {key.pair[0], key.pair[1]});
      mma_bf16(scores[tile], {q1.x, q1.y, q1.z, q1.w}, {key.pair[2], key.pair[3]});
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int token = i / 4 * 8 + 2 * t + i % 2;
    scores[i / 4][i % 4] = token < tokens ? scores[i / 4][i % 4] * scale : 2 * kNoScore;
  }
  float shrink[2];
  softmax.add(scores, shrink);
  const std::uint32_t shares[4] = {pack_bf16(scores[0][0], scores[0][1]), pack_bf16(scores[0][2], scores[0][3]),
                                   pack_bf16(scores[1][0], scores[1][1]), pack_bf16(scores[1][2], scores[1][3])};
#pragma unroll
  for (int i = 0; i < Shape::kHeadDim / 8; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums[i][j] *= shrink[j / 2];
    }
  }
#pragma unroll
  for (int j = 0; j < Shape::kHeadDim / 64; ++j) {
    std::uint32_t upper[8], lower[8];
    read_values<Shape>(upper, stage.v, 2 * t, j * 8 + g);
    read_values<Shape>(lower, stage.v, 2 * t + 8, j * 8 + g);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      mma_bf16(sums[j * 8 + i], shares, {upper[i], lower[i]});
    }
  }
}

/// A block per part of the context, KV head (or 16 heads of its group) and sequence.
template <class Shape>
__global__ void __launch_bounds__(kDecodeWarps * 32)
    decode_attention(const __grid_constant__ DecodeArguments arguments) {
  auto& shared = shared_memory<typename Shape::Shared>();
  const int group = arguments.q_heads / arguments.kv_heads, head_tiles = ceil_div(group, kDecodeHeads);
  const int part = static_cast<int>(blockIdx.x), sequence = static_cast<int>(blockIdx.z);
  const int kv_head = static_cast<int>(blockIdx.y) / head_tiles;
  const int tile_head = static_cast<int>(blockIdx.y) % head_tiles * kDecodeHeads;
  const int heads = min(kDecodeHeads, group - tile_head);
  const std::size_t first_head = static_cast<std::size_t>(sequence) * arguments.q_heads + kv_head * group + tile_head;
  const int warp = warp_index(), lane = lane_index(), g = lane / 4, t = lane % 4;

  const int context = arguments.contexts[sequence];
  const int first = arguments.window > 0 ? max(context - arguments.window, 0) : 0;
  const TokenRange range = part_of(first, context, part, arguments.splits, kDecodeTokens);
  const std::int32_t* pages = arguments.page_table + static_cast<std::size_t>(sequence) * arguments.pages_per_sequence;
  constexpr int kStride = kDecodeWarps * kDecodeTokens;

  for (int j = warp; j < Shape::kHeadDim / 32; j += kDecodeWarps) {
    const Bf16* from = arguments.q + (first_head + g) * Shape::kHeadDim + j * 32 + t * 8;
    const uint4 a = g < heads ? load16(from) : uint4{0, 0, 0, 0};
    const uint4 b = g + 8 < heads ? load16(from + 8 * Shape::kHeadDim) : uint4{0, 0, 0, 0};
    shared.q[2 * j][lane] = {a.x, b.x, a.y, b.y};
    shared.q[2 * j + 1][lane] = {a.z, b.z, a.w, b.w};
  }

  auto& ring = shared.memory.ring[warp];
  int loading = range.begin + warp * kDecodeTokens;  // first token of the tile that is loaded next
  int row = cache_row(pages, loading + lane % kDecodeTokens, range.end, arguments.page_tokens);
  const auto load_next = [&](typename Shape::Stage& stage) {
    if (loading < range.end) {
      load_tile<Shape>(stage, arguments, kv_head, row);
      loading += kStride;
      row = cache_row(pages, loading + lane % kDecodeTokens, range.end, arguments.page_tokens);
    }
    commit_copies();
  };
#pragma unroll
  for (int stage = 0; stage < Shape::kStages - 1; ++stage) {
    load_next(ring[stage]);
  }
  __syncthreads();  // all of q is there
  RunningSoftmax softmax;
  float sums[Shape::kHeadDim / 8][4] = {};
  int stage = 0;
  for (int token = range.begin + warp * kDecodeTokens; token < range.end; token += kStride) {
    load_next(ring[(stage + Shape::kStages - 1) % Shape::kStages]);
    wait_copies<Shape::kStages - 1>();
    __syncwarp();
    attend_tile<Shape>(ring[stage], shared.q, arguments.scale, range.end - token, softmax, sums);
    __syncwarp();  // all lanes have left the stage before it is loaded again; shuffles do not order memory
    stage = (stage + 1) % Shape::kStages;
  }
  __syncthreads();  // no copy is under way any more: the ring becomes the place of the sums

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int head = half * 8 + g;
    const float shares = warp_sum<4>(softmax.shares[half]);
    if (t == 0) {
      shared.greatest[warp][head] = softmax.greatest[half];
      shared.shares[warp][head] = shares;
    }
#pragma unroll
    for (int i = 0; i < Shape::kHeadDim / 8; ++i) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        shared.memory.sums[warp][head][i / 8 * 64 + (2 * t + j) * 8 + i % 8] = sums[i][2 * half + j];
      }
    }
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < heads * Shape::kHeadDim; i += kDecodeWarps * 32) {
    const int head = i / Shape::kHeadDim, element = i % Shape::kHeadDim;
    float greatest = kNoScore, sum = 0, shares = 0;
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) {
      greatest = fmaxf(greatest, shared.greatest[w][head]);
    }
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) {
      const float scale = exp2_fast(shared.greatest[w][head] - greatest);
      sum += shared.memory.sums[w][head][element] * scale;
      shares += shared.shares[w][head] * scale;
    }
    if (arguments.splits == 1) {
      arguments.out[(first_head + head) * Shape::kHeadDim + element] = to_bf16(sum / shares);
    } else {
      float* partial = arguments.partial + ((first_head + head) * arguments.splits + part) * (Shape::kHeadDim + 2);
      partial[element] = sum;
      if (element == 0) {
        partial[Shape::kHeadDim] = greatest;
        partial[Shape::kHeadDim + 1] = shares;
      }
    }
  }
}

template <int head_dim, class Launcher>
Status launch_decode(const Launcher& launcher, const DecodeAttentionWork& work) {
  const DecodeArguments arguments{.q = static_cast<const Bf16*>(work.q),
                                  .k = static_cast<const unsigned char*>(work.k),
                                  .v = static_cast<const unsigned char*>(work.v),
                                  .page_table = work.page_table,
                                  .contexts = work.contexts,
                                  .partial = work.partial,
                                  .out = static_cast<Bf16*>(work.out),
                                  .q_heads = work.q_heads,
                                  .kv_heads = work.kv_heads,
                                  .page_tokens = work.page_tokens,
                                  .pages_per_sequence = work.pages_per_sequence,
                                  .window = work.window,
                                  .splits = work.splits,
                                  .scale = work.scale * kLog2E};
  const int head_tiles = ceil_div(work.q_heads / work.kv_heads, kDecodeHeads);
  Grid grid{.blocks_x = static_cast<unsigned>(work.splits),
            .blocks_y = static_cast<unsigned>(work.kv_heads * head_tiles),
            .blocks_z = static_cast<unsigned>(work.sequences),
            .threads = kDecodeWarps * 32};
  using Wide = DecodeShape<head_dim, false>;
  using Narrow = DecodeShape<head_dim, true>;
  const bool fp8 = work.kv_dtype == DType::fp8;
  grid.shared_bytes = fp8 ? sizeof(typename Narrow::Shared) : sizeof(typename Wide::Shared);
  const Status status = launcher(grid, fp8 ? decode_attention<Narrow> : decode_attention<Wide>, arguments);
  if (!status.ok() || work.splits == 1) {
    return status;
  }
  return launch_combine(launcher, work.partial, work.out, work.sequences * work.q_heads, work.splits, head_dim);
}

template <class Launcher>
Status launch(const Launcher& launcher, const DecodeAttentionWork& work) {
  if (work.sequences < 1 || work.sequences > 65535 || work.kv_heads < 1 || work.q_heads < work.kv_heads ||
      work.q_heads > 65535 || work.q_heads % work.kv_heads != 0 || work.page_tokens < 1 || work.splits < 1 ||
      work.window < 0) {
    return invalid("decode attention: q_heads must be a multiple of kv_heads, and all sizes at least 1");
  }
  if (work.kv_dtype != DType::bf16 && work.kv_dtype != DType::fp8) {
    return not_supported("decode attention: " + std::string(name(work.kv_dtype)) + "; known are bf16 and fp8");
  }
  switch (work.head_dim) {
    case 64:
      return launch_decode<64>(launcher, work);
    case 128:
      return launch_decode<128>(launcher, work);
    case 256:
      return launch_decode<256>(launcher, work);
    default:
      return not_supported("decode attention: head_dim " + std::to_string(work.head_dim) +
                           "; known are 64, 128 and 256");
  }
}

}  // namespace moesaic::cuda
