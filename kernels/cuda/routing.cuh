// What surrounds the experts: choosing them, sorting tokens by expert, and bringing the results back.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/ptx/math.cuh"
#include "kernels/cuda/ptx/memory.cuh"

namespace moesaic::cuda {

inline constexpr int kRouteWarps = 4, kMaxTopK = 32, kMaxExperts = 1024;

/// Orders like (logit, then the lower expert first) as an unsigned number; never 0.
__device__ __forceinline__ std::uint64_t rank_key(float logit, int expert) {
  const std::uint32_t bits = __float_as_uint(logit + 0.0F);  // -0 equals 0
  const std::uint32_t ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return std::uint64_t{ordered} << 32 | (0xFFFFFFFFU - static_cast<std::uint32_t>(expert));
}
__device__ __forceinline__ float key_logit(std::uint64_t key) {
  const auto ordered = static_cast<std::uint32_t>(key >> 32);
  return __uint_as_float((ordered & 0x80000000U) != 0 ? ordered & 0x7FFFFFFFU : ~ordered);
}
__device__ __forceinline__ int key_expert(std::uint64_t key) {
  return static_cast<int>(0xFFFFFFFFU - static_cast<std::uint32_t>(key));
}

__device__ __forceinline__ std::uint64_t warp_greatest(std::uint64_t key) {
#pragma unroll
  for (int bits = 16; bits > 0; bits /= 2) {
    const std::uint64_t other = __shfl_xor_sync(kAllLanes, key, bits);
    key = other > key ? other : key;
  }
  return key;
}

/// A warp per token, `per_lane` logits in the registers of each lane. The j-th largest ends in lane j.
template <int per_lane>
__global__ void __launch_bounds__(kRouteWarps * 32)
    route(const float* __restrict__ logits, std::int32_t* __restrict__ ids, float* __restrict__ weights, int tokens,
          int experts, int top_k) {
  const int token = static_cast<int>(blockIdx.x) * kRouteWarps + warp_index(), lane = lane_index();
  if (token >= tokens) {
    return;  // the whole warp
  }
  std::uint64_t keys[per_lane], greatest = 0;
#pragma unroll
  for (int i = 0; i < per_lane; ++i) {
    const int expert = i * 32 + lane;
    keys[i] = expert < experts ? rank_key(logits[static_cast<std::size_t>(token) * experts + expert], expert) : 0;
    greatest = keys[i] > greatest ? keys[i] : greatest;
  }
  std::uint64_t mine = 0;
  for (int j = 0; j < top_k; ++j) {
    const std::uint64_t chosen = warp_greatest(greatest);
    mine = lane == j ? chosen : mine;
    if (greatest == chosen) {  // the lane that had it looks for its next
      greatest = 0;
#pragma unroll
      for (int i = 0; i < per_lane; ++i) {
        greatest = keys[i] < chosen && keys[i] > greatest ? keys[i] : greatest;
      }
    }
  }
  const float top = __shfl_sync(kAllLanes, key_logit(mine), 0);
  const float share = lane < top_k ? exp2_fast((key_logit(mine) - top) * kLog2E) : 0.0F;
  const float sum = warp_sum<32>(share);
  if (lane < top_k) {
    const std::size_t out = static_cast<std::size_t>(token) * top_k + lane;
    ids[out] = key_expert(mine);
    weights[out] = share / sum;
  }
}

inline constexpr int kSortWarps = 16;
struct SortShared {
  int less[kSortWarps], same[kSortWarps];
};

/// A block per expert goes through all choices: those of lower experts give its offset, its own get their rows. Every
/// warp counts in its own stretch of the choices, so that no barrier stands inside a loop and the order is kept.
template <int warps>
__global__ void __launch_bounds__(warps * 32)
    sort_choices(const std::int32_t* __restrict__ ids, std::int32_t* __restrict__ offsets,
                 std::int32_t* __restrict__ row_of_choice, int choices, int experts) {
  auto& shared = shared_memory<SortShared>();
  const int expert = static_cast<int>(blockIdx.x), lane = lane_index(), warp = warp_index();
  const int stretch = ceil_div(choices, warps * 32) * 32;
  const int begin = min(warp * stretch, choices), end = min(begin + stretch, choices);
  int less = 0, same = 0;
#pragma unroll 8
  for (int i = begin + lane; i < end; i += 32) {
    const int id = ids[i];
    less += id < expert ? 1 : 0;
    same += id == expert ? 1 : 0;
  }
#pragma unroll
  for (int bits = 16; bits > 0; bits /= 2) {
    less += __shfl_xor_sync(kAllLanes, less, bits);
    same += __shfl_xor_sync(kAllLanes, same, bits);
  }
  if (lane == 0) {
    shared.less[warp] = less;
    shared.same[warp] = same;
  }
  __syncthreads();
  int offset = 0, row = 0, total = 0;
#pragma unroll
  for (int i = 0; i < warps; ++i) {
    offset += shared.less[i];
    row += i < warp ? shared.same[i] : 0;
    total += shared.same[i];
  }
  row += offset;
  if (threadIdx.x == 0) {
    offsets[expert] = offset;
    if (expert == experts - 1) {
      offsets[experts] = offset + total;
    }
  }
  if (same == 0) {
    return;  // the whole warp
  }
#pragma unroll 4
  for (int first = begin; first < end; first += 32) {
    const int i = first + lane;
    const bool match = i < end && ids[i] == expert;
    const unsigned matches = __ballot_sync(kAllLanes, match ? 1 : 0);
    if (match) {
      row_of_choice[i] = row + __popc(matches & ((1U << lane) - 1U));
    }
    row += __popc(matches);
  }
}

inline constexpr int kCopyThreads = 256;

/// A block per token: its row is read once and written top_k times.
template <int threads>
__global__ void __launch_bounds__(threads)
    gather_rows(const uint4* __restrict__ x, const std::int32_t* __restrict__ row_of_choice, uint4* __restrict__ rows,
                int top_k, int chunks) {
  const std::size_t token = blockIdx.x;
#pragma unroll 2
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += threads) {
    const uint4 v = load_once(x + token * chunks + i);
    for (int j = 0; j < top_k; ++j) {
      store16(rows + static_cast<std::size_t>(row_of_choice[token * top_k + j]) * chunks + i, v);
    }
  }
}

template <int threads>
__global__ void __launch_bounds__(threads)
    combine_rows(const uint4* __restrict__ rows, const std::int32_t* __restrict__ row_of_choice,
                 const float* __restrict__ weights, uint4* __restrict__ out, int top_k, int chunks) {
  const std::size_t token = blockIdx.x;
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += threads) {
    float sums[8] = {};
#pragma unroll 8
    for (int j = 0; j < top_k; ++j) {
      const std::size_t choice = token * top_k + j;
      const Floats8 row = unpack(load_once(rows + static_cast<std::size_t>(row_of_choice[choice]) * chunks + i));
      const float weight = weights[choice];
#pragma unroll
      for (int k = 0; k < 8; ++k) {
        sums[k] += weight * row.value[k];
      }
    }
    store16(out + token * chunks + i, pack({{sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]}}));
  }
}

template <class Launcher>
Status launch(const Launcher& launcher, const RouteWork& work) {
  if (work.tokens < 1 || work.experts < 1 || work.experts > kMaxExperts || work.top_k < 1 || work.top_k > kMaxTopK ||
      work.top_k > work.experts) {
    return invalid("route: at most 1024 experts, top_k at most 32 and at most experts");
  }
  const Grid grid{.blocks_x = static_cast<unsigned>(ceil_div(work.tokens, kRouteWarps)), .threads = kRouteWarps * 32};
  const auto kernel = work.experts <= 128 ? route<4> : work.experts <= 256 ? route<8> : route<32>;
  return launcher(grid, kernel, work.logits, work.ids, work.weights, work.tokens, work.experts, work.top_k);
}

template <class Launcher>
Status launch(const Launcher& launcher, const PermuteWork& work) {
  if (work.tokens < 1 || work.experts < 1 || work.top_k < 1 || work.hidden < 8 || work.hidden % 8 != 0) {
    return invalid("permute: hidden must be a multiple of 8, all else at least 1");
  }
  const Status sorted = launcher(Grid{.blocks_x = static_cast<unsigned>(work.experts),
                                      .threads = kSortWarps * 32,
                                      .shared_bytes = sizeof(SortShared)},
                                 sort_choices<kSortWarps>, work.ids, work.offsets, work.row_of_choice,
                                 work.tokens * work.top_k, work.experts);
  if (!sorted.ok()) {
    return sorted;
  }
  return launcher(Grid{.blocks_x = static_cast<unsigned>(work.tokens), .threads = kCopyThreads},
                  gather_rows<kCopyThreads>, static_cast<const uint4*>(work.x),
                  static_cast<const std::int32_t*>(work.row_of_choice), static_cast<uint4*>(work.rows), work.top_k,
                  work.hidden / 8);
}

template <class Launcher>
Status launch(const Launcher& launcher, const UnpermuteWork& work) {
  if (work.tokens < 1 || work.top_k < 1 || work.hidden < 8 || work.hidden % 8 != 0) {
    return invalid("unpermute: hidden must be a multiple of 8, all else at least 1");
  }
  return launcher(Grid{.blocks_x = static_cast<unsigned>(work.tokens), .threads = kCopyThreads},
                  combine_rows<kCopyThreads>, static_cast<const uint4*>(work.rows), work.row_of_choice, work.weights,
                  static_cast<uint4*>(work.out), work.top_k, work.hidden / 8);
}

}  // namespace moesaic::cuda
