// Products with few rows of x (m <= 8), bound by reading w once. A warp multiplies 16 columns by the tensor cores,
// which cost nothing beside the memory; the warps of a block share out k.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/ptx/memory.cuh"
#include "kernels/cuda/ptx/mma.cuh"

namespace moesaic::cuda {

inline constexpr int kGemvWarps = 8, kGemvColumns = 16, kGemvRows = 8;

struct GemvShared {
  float sums[kGemvWarps][kGemvColumns][kGemvRows];
};

/// Elements of w in 16 bytes.
template <bool fp8>
inline constexpr int kGemvElements = fp8 ? 16 : 8;

/// Lane 4 g + t takes `elements` of k in a row from columns g and g + 8 of w and from row g of x. Which k stand where
/// in the products does not matter, as long as w and x agree, so every load is of 16 bytes in a row. Two blocks a
/// multiprocessor, not more: ptxas then spends registers on having all loads of a round under way.
template <bool fp8>
__global__ void __launch_bounds__(kGemvWarps * 32, 2)
    gemv(const unsigned char* __restrict__ x, const unsigned char* __restrict__ w, Bf16* __restrict__ y, int m, int n,
         int k) {
  constexpr int kElements = kGemvElements<fp8>, kUnroll = 4;
  auto& shared = shared_memory<GemvShared>();
  const int g = lane_index() / 4, t = lane_index() % 4;
  const int column = static_cast<int>(blockIdx.x) * kGemvColumns;
  const std::size_t row_bytes = static_cast<std::size_t>(k) * (fp8 ? 1 : 2);
  const unsigned char* w0 = w + static_cast<std::size_t>(min(column + g, n - 1)) * row_bytes;
  const unsigned char* w1 = w + static_cast<std::size_t>(min(column + g + 8, n - 1)) * row_bytes;
  const unsigned char* x0 = x + static_cast<std::size_t>(min(g, m - 1)) * k * 2;
  float sums[4] = {};

  constexpr int kStep = 4 * kElements;  // of k, by a warp at once
  for (int first = warp_index() * kStep; first < k; first += kGemvWarps * kStep * kUnroll) {
    uint4 a0[kUnroll], a1[kUnroll], b[kUnroll][kElements / 8];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const int i = first + u * kGemvWarps * kStep + t * kElements;
      const bool inside = i < k;  // behind the end, w of the beginning meets zeros: no load waits for a branch
      const std::size_t offset = inside ? static_cast<std::size_t>(i) : 0;
      a0[u] = load_once(w0 + offset * 16 / kElements);
      a1[u] = load_once(w1 + offset * 16 / kElements);
#pragma unroll
      for (int part = 0; part < kElements / 8; ++part) {
        const uint4 v = load16(x0 + offset * 2 + part * 16);
        b[u][part] = {inside ? v.x : 0, inside ? v.y : 0, inside ? v.z : 0, inside ? v.w : 0};
      }
    }
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      if constexpr (fp8) {
        const std::uint32_t c0[4] = {a0[u].x, a0[u].y, a0[u].z, a0[u].w};
        const std::uint32_t c1[4] = {a1[u].x, a1[u].y, a1[u].z, a1[u].w};
        const std::uint32_t d[8] = {b[u][0].x,
                                    b[u][0].y,
                                    b[u][0].z,
                                    b[u][0].w,
                                    b[u][kElements / 8 - 1].x,
                                    b[u][kElements / 8 - 1].y,
                                    b[u][kElements / 8 - 1].z,
                                    b[u][kElements / 8 - 1].w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          mma_bf16(sums,
                   {fp8_pair_to_bf16(c0[i] & 0xFFFFU), fp8_pair_to_bf16(c1[i] & 0xFFFFU), fp8_pair_to_bf16(c0[i] >> 16),
                    fp8_pair_to_bf16(c1[i] >> 16)},
                   {d[2 * i], d[2 * i + 1]});
        }
      } else {
        mma_bf16(sums, {a0[u].x, a1[u].x, a0[u].y, a1[u].y}, {b[u][0].x, b[u][0].y});
        mma_bf16(sums, {a0[u].z, a1[u].z, a0[u].w, a1[u].w}, {b[u][0].z, b[u][0].w});
      }
    }
  }

#pragma unroll
  for (int i = 0; i < 4; ++i) {
    shared.sums[warp_index()][g + i / 2 * 8][2 * t + i % 2] = sums[i];
  }
  __syncthreads();
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / kGemvColumns, out = column + thread % kGemvColumns;
  if (row < m && out < n) {  // 128 of the threads
    float sum = 0;
#pragma unroll
    for (const auto& warp_sums : shared.sums) {
      sum += warp_sums[thread % kGemvColumns][row];
    }
    y[static_cast<std::size_t>(row) * n + out] = to_bf16(sum);
  }
}

template <class Launcher>
Status launch(const Launcher& launcher, const GemvWork& work) {
  if (work.m < 1 || work.m > kGemvRows || work.n < 1 || work.k < 16 || work.k % 16 != 0) {
    return invalid("gemv: m must be 1 to 8, and k a multiple of 16");
  }
  if (work.dtype != DType::bf16 && work.dtype != DType::fp8) {
    return not_supported("gemv: " + std::string(name(work.dtype)) + "; known are bf16 and fp8");
  }
  const Grid grid{.blocks_x = static_cast<unsigned>(ceil_div(work.n, kGemvColumns)),
                  .threads = kGemvWarps * 32,
                  .shared_bytes = sizeof(GemvShared)};
  return launcher(grid, work.dtype == DType::fp8 ? gemv<true> : gemv<false>, static_cast<const unsigned char*>(work.x),
                  static_cast<const unsigned char*>(work.w), static_cast<Bf16*>(work.y), work.m, work.n, work.k);
}

}  // namespace moesaic::cuda
