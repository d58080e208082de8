// Attention whose context was split: each part has sums relative to its own greatest score, and the parts are put
// together as if one had seen all tokens. Scores are in powers of two.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/softmax.cuh"

namespace moesaic::cuda {

inline constexpr int kCombineThreads = 128;

/// A block per sequence and head, `parts` rows of (width sums, greatest score, sum of shares) each.
template <int threads>
__global__ void __launch_bounds__(threads)
    combine_parts(const float* __restrict__ partial, Bf16* __restrict__ out, int parts, int width) {
  const float* rows = partial + static_cast<std::size_t>(blockIdx.x) * parts * (width + 2);
  float greatest = kNoScore;
  for (int part = lane_index(); part < parts; part += 32) {
    greatest = fmaxf(greatest, rows[static_cast<std::size_t>(part) * (width + 2) + width]);
  }
  greatest = warp_max<32>(greatest);
  for (int i = static_cast<int>(threadIdx.x); i < width; i += threads) {
    float sum = 0, shares = 0;
#pragma unroll 8
    for (int part = 0; part < parts; ++part) {
      const float* row = rows + static_cast<std::size_t>(part) * (width + 2);
      const float scale = exp2_fast(row[width] - greatest);
      sum += row[i] * scale;
      shares += row[width + 1] * scale;
    }
    out[static_cast<std::size_t>(blockIdx.x) * width + i] = to_bf16(sum / shares);
  }
}

template <class Launcher>
Status launch_combine(const Launcher& launcher, const float* partial, void* out, int rows, int parts, int width) {
  return launcher(Grid{.blocks_x = static_cast<unsigned>(rows), .threads = kCombineThreads},
                  combine_parts<kCombineThreads>, partial, static_cast<Bf16*>(out), parts, width);
}

/// The row of the cache that holds this lane's token of a tile; -1 behind the last token.
__device__ __forceinline__ int cache_row(const std::int32_t* pages, int token, int end, int page_tokens) {
  return token < end ? pages[token / page_tokens] * page_tokens + token % page_tokens : -1;
}

/// The tokens that a part of a split context takes.
struct TokenRange {
  int begin, end;
};
__device__ __forceinline__ TokenRange part_of(int first, int context, int part, int parts, int multiple) {
  const int length = ceil_div(ceil_div(context - first, parts), multiple) * multiple;
  const std::int64_t begin = first + std::int64_t{part} * length;
  return {begin < context ? static_cast<int>(begin) : context,
          begin + length < context ? static_cast<int>(begin + length) : context};
}

}  // namespace moesaic::cuda
