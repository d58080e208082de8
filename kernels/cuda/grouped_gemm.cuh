// The products of routed experts: every expert multiplies its own rows, how many only the device knows. Tiles on
// mma.sync, fed by a ring of asynchronous copies.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/ptx/ldmatrix.cuh"
#include "kernels/cuda/ptx/math.cuh"
#include "kernels/cuda/ptx/memory.cuh"
#include "kernels/cuda/ptx/mma.cuh"

namespace moesaic::cuda {

inline constexpr int kTileDepth = 64;  ///< of k: 128 bytes, a row of all banks
inline constexpr int kTileColumns = 128;
inline constexpr int kRasterRows = 8;  ///< row tiles that go through the columns together, to meet in L2

/// Rows of 128 bytes in 8 chunks, which change places from row to row so that a column of chunks lies in all banks.
__device__ __forceinline__ int swizzled(int row, int chunk) { return row * 8 + (chunk ^ row % 8); }

template <int rows, int warps_down, int warps_across, int stages>
struct GroupedShape {
  static constexpr int kRows = rows, kWarpsDown = warps_down, kWarpsAcross = warps_across, kStages = stages;
  static constexpr int kThreads = warps_down * warps_across * 32;
  static constexpr int kRowTiles = rows / warps_down / 16;              ///< of a warp, 16 rows each
  static constexpr int kColumnTiles = kTileColumns / warps_across / 8;  ///< of a warp, 8 columns each
  struct Stage {
    uint4 x[rows * 8];
    uint4 w[kTileColumns * 8];
  };
  struct Shared {
    Stage ring[kStages];
    int warp_tiles[kThreads / 32];
    int expert, first_row, end_row;
  };
};

/// Finds the expert whose rows hold row tile `tile`, counted over all experts; false behind the last one.
template <class Shape>
__device__ __forceinline__ bool find_expert(typename Shape::Shared& shared, const std::int32_t* offsets, int experts,
                                            int tile) {
  constexpr int kWarps = Shape::kThreads / 32;
  if (threadIdx.x == 0) {
    shared.expert = -1;
  }
  int before = 0;  // row tiles of the experts of earlier rounds
  for (int first = 0; first < experts; first += Shape::kThreads) {
    const int expert = first + static_cast<int>(threadIdx.x);
    const int begin = expert < experts ? offsets[expert] : 0, end = expert < experts ? offsets[expert + 1] : 0;
    const int tiles = ceil_div(end - begin, Shape::kRows);
    int through = tiles;
#pragma unroll
    for (unsigned distance = 1; distance < 32; distance *= 2) {
      const int other = __shfl_up_sync(kAllLanes, through, distance);
      through += lane_index() >= static_cast<int>(distance) ? other : 0;
    }
    if (lane_index() == 31) {
      shared.warp_tiles[warp_index()] = through;
    }
    __syncthreads();
    int all = 0;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      through += warp < warp_index() ? shared.warp_tiles[warp] : 0;
      all += shared.warp_tiles[warp];
    }
    through += before;
    before += all;
    if (tile >= through - tiles && tile < through) {
      shared.expert = expert;
      shared.first_row = begin + (tile - (through - tiles)) * Shape::kRows;
      shared.end_row = min(shared.first_row + Shape::kRows, end);
    }
    __syncthreads();
    if (shared.expert >= 0) {
      return true;
    }
  }
  return false;
}

/// With `gated`, groups of 8 columns of a tile are gate and up in turn, so that a thread holds both of a column.
__device__ __forceinline__ int weight_row(int tile_column, int first, int n, bool gated) {
  if (!gated) {
    return first + tile_column < n ? first + tile_column : -1;
  }
  const int column = first + tile_column / 16 * 8 + tile_column % 8;
  return column < n ? column + (tile_column / 8 % 2) * n : -1;
}

template <class Shape>
__device__ __forceinline__ void load_stage(typename Shape::Stage& stage, const Bf16* x, const Bf16* w, int first_row,
                                           int end_row, int first_column, int n, int k, int first_k, bool gated) {
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < Shape::kRows * 8; i += Shape::kThreads) {
    const int row = first_row + i / 8, depth = first_k + i % 8 * 8;
    const bool inside = row < end_row && depth < k;
    copy_async(&stage.x[swizzled(i / 8, i % 8)], inside ? x + static_cast<std::size_t>(row) * k + depth : x,
               inside ? 16 : 0);
  }
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < kTileColumns * 8; i += Shape::kThreads) {
    const int row = weight_row(i / 8, first_column, n, gated), depth = first_k + i % 8 * 8;
    const bool inside = row >= 0 && depth < k;
    copy_async(&stage.w[swizzled(i / 8, i % 8)], inside ? w + static_cast<std::size_t>(row) * k + depth : w,
               inside ? 16 : 0);
  }
}

template <class Shape>
__device__ __forceinline__ void multiply_stage(const typename Shape::Stage& stage,
                                               float (&sums)[Shape::kRowTiles][Shape::kColumnTiles][4]) {
  const int lane = lane_index();
  const int rows = warp_index() / Shape::kWarpsAcross * Shape::kRowTiles * 16;
  const int columns = warp_index() % Shape::kWarpsAcross * Shape::kColumnTiles * 8;
#pragma unroll
  for (int step = 0; step < kTileDepth / 16; ++step) {
    std::uint32_t a[Shape::kRowTiles][4], b[Shape::kColumnTiles / 2][4];
#pragma unroll
    for (int i = 0; i < Shape::kRowTiles; ++i) {
      load_matrices(a[i], &stage.x[swizzled(rows + i * 16 + lane % 16, step * 2 + lane / 16)]);
    }
#pragma unroll
    for (int j = 0; j < Shape::kColumnTiles / 2; ++j) {
      load_matrices(b[j], &stage.w[swizzled(columns + j * 16 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2)]);
    }
#pragma unroll
    for (int i = 0; i < Shape::kRowTiles; ++i) {
#pragma unroll
      for (int j = 0; j < Shape::kColumnTiles; ++j) {
        mma_bf16(sums[i][j], a[i], {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]});
      }
    }
  }
}

/// Two neighbouring columns; n may be odd.
__device__ __forceinline__ void store_pair(Bf16* y, int column, int n, float first, float second) {
  const std::uint32_t pair = pack_bf16(first, second);
  if (column + 1 < n && n % 2 == 0) {
    store4(y + column, pair);
  } else {
    if (column < n) {
      y[column] = {static_cast<std::uint16_t>(pair & 0xFFFFU)};
    }
    if (column + 1 < n) {
      y[column + 1] = {static_cast<std::uint16_t>(pair >> 16)};
    }
  }
}

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads)
    grouped_gemm(const Bf16* __restrict__ x, const Bf16* __restrict__ w, Bf16* __restrict__ y,
                 const std::int32_t* __restrict__ offsets, int n, int k, int experts, int column_tiles, bool gated) {
  auto& shared = shared_memory<typename Shape::Shared>();
  const int block = static_cast<int>(blockIdx.x), raster = kRasterRows * column_tiles;
  const int row_tile = block / raster * kRasterRows + block % kRasterRows;
  if (!find_expert<Shape>(shared, offsets, experts, row_tile)) {
    return;
  }
  const int columns = gated ? kTileColumns / 2 : kTileColumns;  // of y
  const int first_column = block % raster / kRasterRows * columns;
  const int first_row = shared.first_row, end_row = shared.end_row;
  w += static_cast<std::size_t>(shared.expert) * (gated ? 2 * n : n) * k;

  const int steps = ceil_div(k, kTileDepth);
#pragma unroll
  for (int step = 0; step < Shape::kStages - 1; ++step) {
    if (step < steps) {
      load_stage<Shape>(shared.ring[step], x, w, first_row, end_row, first_column, n, k, step * kTileDepth, gated);
    }
    commit_copies();
  }
  float sums[Shape::kRowTiles][Shape::kColumnTiles][4] = {};
  int current = 0, next = Shape::kStages - 1;
  for (int step = 0; step < steps; ++step) {
    wait_copies<Shape::kStages - 2>();
    __syncthreads();  // all see this stage, and all have left the one that is filled next
    if (step + Shape::kStages - 1 < steps) {
      load_stage<Shape>(shared.ring[next], x, w, first_row, end_row, first_column, n, k,
                        (step + Shape::kStages - 1) * kTileDepth, gated);
    }
    commit_copies();
    multiply_stage<Shape>(shared.ring[current], sums);
    current = current + 1 == Shape::kStages ? 0 : current + 1;
    next = next + 1 == Shape::kStages ? 0 : next + 1;
  }

  const int row = first_row + warp_index() / Shape::kWarpsAcross * Shape::kRowTiles * 16 + lane_index() / 4;
  const int tile_column = warp_index() % Shape::kWarpsAcross * Shape::kColumnTiles * 8;
#pragma unroll
  for (int i = 0; i < Shape::kRowTiles * 2; ++i) {
    if (row + i * 8 >= end_row) {
      break;
    }
    Bf16* out = y + static_cast<std::size_t>(row + i * 8) * n;
    const int half = i % 2 * 2;
    if (gated) {
#pragma unroll
      for (int j = 0; j < Shape::kColumnTiles; j += 2) {
        const float* gate = sums[i / 2][j] + half;
        const float* up = sums[i / 2][j + 1] + half;
        store_pair(out, first_column + tile_column / 2 + j * 4 + lane_index() % 4 * 2, n, silu(gate[0]) * up[0],
                   silu(gate[1]) * up[1]);
      }
    } else {
#pragma unroll
      for (int j = 0; j < Shape::kColumnTiles; ++j) {
        store_pair(out, first_column + tile_column + j * 8 + lane_index() % 4 * 2, n, sums[i / 2][j][half],
                   sums[i / 2][j][half + 1]);
      }
    }
  }
}

template <class Shape, class Launcher>
Status launch_grouped(const Launcher& launcher, const GroupedGemmWork& work) {
  // An expert leaves at most one tile that is not full; which tiles there are, the device finds out.
  const int row_tiles = work.rows / Shape::kRows + (work.experts < work.rows ? work.experts : work.rows);
  const int column_tiles = ceil_div(work.n * (work.gated ? 2 : 1), kTileColumns);
  const std::int64_t blocks = std::int64_t{ceil_div(row_tiles, kRasterRows) * kRasterRows} * column_tiles;
  if (blocks > 0x7FFFFFFF) {
    return invalid("grouped GEMM: more tiles than a grid has blocks");
  }
  return launcher(Grid{.blocks_x = static_cast<unsigned>(blocks),
                       .threads = Shape::kThreads,
                       .shared_bytes = sizeof(typename Shape::Shared)},
                  grouped_gemm<Shape>, static_cast<const Bf16*>(work.x), static_cast<const Bf16*>(work.w),
                  static_cast<Bf16*>(work.y), work.offsets, work.n, work.k, work.experts, column_tiles, work.gated);
}

/// Few rows per expert: the weights bound the time, and small tiles keep more of them in flight. Many: the tensor
/// cores do, and large tiles use what they load more often.
template <class Launcher>
Status launch(const Launcher& launcher, const GroupedGemmWork& work) {
  if (work.dtype != DType::bf16) {
    return not_supported("grouped GEMM: " + std::string(name(work.dtype)) + "; known is bf16");
  }
  if (work.rows < 1 || work.n < 1 || work.experts < 1 || work.k < 16 || work.k % 16 != 0) {
    return invalid("grouped GEMM: k must be a multiple of 16, all else at least 1");
  }
  const int average = ceil_div(work.rows, work.experts);
  if (average <= 16) {
    return launch_grouped<GroupedShape<16, 1, 4, 5>>(launcher, work);
  }
  if (average <= 64) {
    return launch_grouped<GroupedShape<64, 2, 2, 4>>(launcher, work);
  }
  return launch_grouped<GroupedShape<128, 2, 4, 3>>(launcher, work);
}

}  // namespace moesaic::cuda
