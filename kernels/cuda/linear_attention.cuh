// One decode step of linear attention: bound by reading and writing the state.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/ptx/memory.cuh"

namespace moesaic::cuda {

inline constexpr int kLinearThreads = 128;
inline constexpr int kLinearColumns = 32;  ///< of a block: 128 bytes of a row; columns do not depend on each other

struct LinearShared {
  float sums[kLinearThreads / 32][kLinearColumns];
};

template <int head_dim>
__global__ void __launch_bounds__(kLinearThreads)
    linear_attention(const float* __restrict__ decay, const Bf16* __restrict__ q, const Bf16* __restrict__ k,
                     const Bf16* __restrict__ v, float* __restrict__ state, Bf16* __restrict__ out, int heads) {
  constexpr int kGroups = kLinearThreads / 8, kRows = head_dim / kGroups;  // a group of 8 lanes per row
  auto& shared = shared_memory<LinearShared>();
  const int thread = static_cast<int>(threadIdx.x), group = thread / 8, column = thread % 8 * 4;
  const std::size_t head = static_cast<std::size_t>(blockIdx.z) * heads + blockIdx.y;
  const int first_column = static_cast<int>(blockIdx.x) * kLinearColumns;
  float* const place = state + head * head_dim * head_dim + first_column + column;

  uint4 rows[kRows];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    rows[i] = load_early(place + static_cast<std::size_t>(i * kGroups + group) * head_dim);
  }
  const float keep = decay[blockIdx.y];
  float values[4], sums[4] = {};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    values[j] = to_float(v[head * head_dim + first_column + column + j]);
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = i * kGroups + group;
    const float key = to_float(k[head * head_dim + row]), query = to_float(q[head * head_dim + row]);
    float s[4] = {__uint_as_float(rows[i].x), __uint_as_float(rows[i].y), __uint_as_float(rows[i].z),
                  __uint_as_float(rows[i].w)};
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      s[j] = keep * s[j] + key * values[j];
      sums[j] += query * s[j];
    }
    store16(place + static_cast<std::size_t>(row) * head_dim,
            {__float_as_uint(s[0]), __float_as_uint(s[1]), __float_as_uint(s[2]), __float_as_uint(s[3])});
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    sums[j] += __shfl_xor_sync(kAllLanes, sums[j], 8);
    sums[j] += __shfl_xor_sync(kAllLanes, sums[j], 16);
    if (lane_index() < 8) {
      shared.sums[warp_index()][column + j] = sums[j];
    }
  }
  __syncthreads();
  if (thread < kLinearColumns) {
    float sum = 0;
#pragma unroll
    for (int warp = 0; warp < kLinearThreads / 32; ++warp) {
      sum += shared.sums[warp][thread];
    }
    out[head * head_dim + first_column + thread] = to_bf16(sum);
  }
}

template <class Launcher>
Status launch(const Launcher& launcher, const LinearAttentionWork& work) {
  if (work.sequences < 1 || work.sequences > 65535 || work.heads < 1 || work.heads > 65535) {
    return invalid("linear attention: sequences and heads must be 1 to 65535");
  }
  if (work.head_dim != 64 && work.head_dim != 128) {
    return not_supported("linear attention: head_dim " + std::to_string(work.head_dim) + "; known are 64 and 128");
  }
  return launcher(Grid{.blocks_x = static_cast<unsigned>(work.head_dim / kLinearColumns),
                       .blocks_y = static_cast<unsigned>(work.heads),
                       .blocks_z = static_cast<unsigned>(work.sequences),
                       .threads = kLinearThreads,
                       .shared_bytes = sizeof(LinearShared)},
                  work.head_dim == 64 ? linear_attention<64> : linear_attention<128>, work.decay,
                  static_cast<const Bf16*>(work.q), static_cast<const Bf16*>(work.k), static_cast<const Bf16*>(work.v),
                  work.state, static_cast<Bf16*>(work.out), work.heads);
}

}  // namespace moesaic::cuda
