// What stands between the products: normalisation, activation, rotary embedding, quantisation. Bound by memory.
#pragma once

#include <cmath>

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/ptx/math.cuh"
#include "kernels/cuda/ptx/memory.cuh"

namespace moesaic::cuda {

inline constexpr int kElementwiseThreads = 256;
inline constexpr std::size_t kSharedOfEveryDevice = 99 << 10;  ///< bytes a block may have from capability 8.0 on

/// A block per row, which it keeps in shared memory between the sum and the scaling.
template <int threads>
__global__ void __launch_bounds__(threads) rms_norm(const uint4* __restrict__ x, const uint4* __restrict__ weight,
                                                    uint4* __restrict__ out, int chunks, float epsilon) {
  auto* row = &shared_memory<uint4>();
  auto* warp_sums = reinterpret_cast<float*>(row + chunks);
  const std::size_t first = static_cast<std::size_t>(blockIdx.x) * chunks;
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
#pragma unroll 4
  for (int i = thread; i < chunks; i += threads) {
    const uint4 v = load_once(x + first + i);
    row[i] = v;
    const Floats8 f = unpack(v);
#pragma unroll
    for (const float value : f.value) {
      sum += value * value;
    }
  }
  sum = warp_sum<32>(sum);
  if (lane_index() == 0) {
    warp_sums[warp_index()] = sum;
  }
  __syncthreads();
  sum = 0;
#pragma unroll
  for (int i = 0; i < threads / 32; ++i) {
    sum += warp_sums[i];
  }
  const float scale = rsqrtf(sum / static_cast<float>(chunks * 8) + epsilon);
#pragma unroll 4
  for (int i = thread; i < chunks; i += threads) {
    Floats8 f = unpack(load16(row + i));
    const Floats8 w = unpack(load16(weight + i));
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      f.value[j] *= scale * w.value[j];
    }
    store16(out + first + i, pack(f));
  }
}

template <int threads>
__global__ void __launch_bounds__(threads) silu_mul(const uint4* __restrict__ x, uint4* __restrict__ out, int chunks) {
  const std::size_t row = blockIdx.x;
#pragma unroll 2
  for (int i = static_cast<int>(threadIdx.x); i < chunks; i += threads) {
    Floats8 gate = unpack(load_once(x + row * 2 * chunks + i));
    const Floats8 up = unpack(load_once(x + (row * 2 + 1) * chunks + i));
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      gate.value[j] = silu(gate.value[j]) * up.value[j];
    }
    store16(out + row * chunks + i, pack(gate));
  }
}

inline constexpr int kMaxHeadDim = 256;

/// Turns per position of each pair, as fractions of 2^64: times a position, modulo 2^64, the angle is exact however
/// far the position.
struct RotaryTurns {
  std::uint64_t turns[kMaxHeadDim / 2];
};

struct RotaryShared {
  float sine[kMaxHeadDim / 2], cosine[kMaxHeadDim / 2];
};

/// A block per token: the angles are computed once for all heads.
template <int threads>
__global__ void __launch_bounds__(threads) rotary(uint4* __restrict__ x, const std::int32_t* __restrict__ positions,
                                                  int heads, int head_dim, const __grid_constant__ RotaryTurns turns) {
  auto& shared = shared_memory<RotaryShared>();
  const int half = head_dim / 2, chunks = half / 8, thread = static_cast<int>(threadIdx.x);
  if (thread < half) {
    const auto position = static_cast<std::uint64_t>(std::int64_t{positions[blockIdx.x]});
    const auto angle = static_cast<std::int64_t>(position * turns.turns[thread]);  // half turns, -2^63 to 2^63
    sincospif(static_cast<float>(angle) * 0x1p-63F, &shared.sine[thread], &shared.cosine[thread]);
  }
  __syncthreads();
  uint4* token = x + static_cast<std::size_t>(blockIdx.x) * heads * chunks * 2;
  for (int i = thread; i < heads * chunks; i += threads) {
    const int chunk = i % chunks;
    uint4* first = token + i / chunks * chunks * 2 + chunk;
    Floats8 a = unpack(load16(first)), b = unpack(load16(first + chunks));
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float sine = shared.sine[chunk * 8 + j], cosine = shared.cosine[chunk * 8 + j];
      const float u = a.value[j], v = b.value[j];
      a.value[j] = u * cosine - v * sine;
      b.value[j] = v * cosine + u * sine;
    }
    store16(first, pack(a));
    store16(first + chunks, pack(b));
  }
}

/// 16 lanes per block of 128 elements.
template <int threads>
__global__ void __launch_bounds__(threads)
    quantize(const uint4* __restrict__ x, uint2* __restrict__ out, float* __restrict__ scales, std::uint64_t blocks) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * (threads / 16);
  const std::uint64_t first = std::uint64_t{blockIdx.x} * (threads / 16) + threadIdx.x / 32 * 2;
  for (std::uint64_t pair = first; pair < blocks; pair += step) {  // the lanes of a warp stay together
    const std::uint64_t block = pair + threadIdx.x % 32 / 16;
    const bool inside = block < blocks;
    const std::uint64_t chunk = inside ? block * 16 + threadIdx.x % 16 : 0;
    const Floats8 f = unpack(load_once(x + chunk));
    float greatest = 0;
#pragma unroll
    for (const float value : f.value) {
      greatest = fmaxf(greatest, fabsf(value));
    }
    greatest = warp_max<16>(greatest);
    const float scale = greatest > 0 ? greatest / kFp8Max : 1.0F;
    const float inverse = 1.0F / scale;
    if (inside) {
      out[chunk] = {pack_fp8(f.value[0] * inverse, f.value[1] * inverse) |
                        pack_fp8(f.value[2] * inverse, f.value[3] * inverse) << 16,
                    pack_fp8(f.value[4] * inverse, f.value[5] * inverse) |
                        pack_fp8(f.value[6] * inverse, f.value[7] * inverse) << 16};
      if (threadIdx.x % 16 == 0) {
        scales[block] = scale;
      }
    }
  }
}

template <class Launcher>
Status launch(const Launcher& launcher, const RmsNormWork& work) {
  const std::size_t shared_bytes = static_cast<std::size_t>(work.width) * 2 + kElementwiseThreads / 32 * sizeof(float);
  if (work.rows < 1 || work.width < 8 || work.width % 8 != 0 || shared_bytes > kSharedOfEveryDevice) {
    return invalid("RMSNorm: rows must be at least 1, width a multiple of 8 and at most 50000");
  }
  const Grid grid{
      .blocks_x = static_cast<unsigned>(work.rows), .threads = kElementwiseThreads, .shared_bytes = shared_bytes};
  return launcher(grid, rms_norm<kElementwiseThreads>, static_cast<const uint4*>(work.x),
                  static_cast<const uint4*>(work.weight), static_cast<uint4*>(work.out), work.width / 8, work.epsilon);
}

template <class Launcher>
Status launch(const Launcher& launcher, const SiluMulWork& work) {
  if (work.rows < 1 || work.width < 8 || work.width % 8 != 0) {
    return invalid("SiLU-mul: rows must be at least 1, width a multiple of 8");
  }
  return launcher(Grid{.blocks_x = static_cast<unsigned>(work.rows), .threads = kElementwiseThreads},
                  silu_mul<kElementwiseThreads>, static_cast<const uint4*>(work.x), static_cast<uint4*>(work.out),
                  work.width / 8);
}

template <class Launcher>
Status launch(const Launcher& launcher, const RotaryWork& work) {
  if (work.tokens < 1 || work.heads < 1 || work.head_dim < 16 || work.head_dim % 16 != 0 ||
      work.head_dim > kMaxHeadDim || !(work.base > 1)) {
    return invalid("rotary: head_dim must be a multiple of 16 and at most 256, base more than 1");
  }
  RotaryTurns turns{};
  for (int i = 0; i < work.head_dim / 2; ++i) {
    const double radians = std::pow(double{work.base}, -2.0 * i / work.head_dim);
    turns.turns[i] = static_cast<std::uint64_t>(std::ldexp(radians / (2 * 3.14159265358979323846), 64));
  }
  return launcher(Grid{.blocks_x = static_cast<unsigned>(work.tokens),
                       .threads = kElementwiseThreads,
                       .shared_bytes = sizeof(RotaryShared)},
                  rotary<kElementwiseThreads>, static_cast<uint4*>(work.x), work.positions, work.heads, work.head_dim,
                  turns);
}

template <class Launcher>
Status launch(const Launcher& launcher, const QuantizeWork& work) {
  if (work.rows < 1 || work.width < 128 || work.width % 128 != 0) {
    return invalid("quantize: rows must be at least 1, width a multiple of 128");
  }
  const std::uint64_t blocks = static_cast<std::uint64_t>(work.rows) * static_cast<std::uint64_t>(work.width / 128);
  const std::uint64_t wanted = ceil_div<std::uint64_t>(blocks, kElementwiseThreads / 16);
  const Grid grid{.blocks_x = static_cast<unsigned>(wanted < 0x7FFFFFFF ? wanted : 0x7FFFFFFF),
                  .threads = kElementwiseThreads};
  return launcher(grid, quantize<kElementwiseThreads>, static_cast<const uint4*>(work.x), static_cast<uint2*>(work.out),
                  work.scales, blocks);
}

}  // namespace moesaic::cuda
