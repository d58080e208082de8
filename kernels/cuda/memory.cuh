// Bandwidth of reading, writing and both, latency of a dependent load, and the empty kernel.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/ptx/memory.cuh"

namespace moesaic::cuda {

inline constexpr unsigned kStreamThreads = 512;
inline constexpr float kTriadFactor = 3;
/// What a read looks for: the exclusive or of what a thread has read. It must be unlikely, so that nothing is stored.
inline constexpr std::uint32_t kNowhere = 0x5EED1E55;
inline constexpr std::uint32_t kWritten = 0x3F800000;  ///< a write stores ones (fp32)

/// Calls access(i) for this block's part of `count` units of 16 bytes, `unroll` of them at once: load(i, j) for all
/// j, then use(i, j), so that many loads of a thread are under way together.
template <int unroll, class Load, class Use>
__device__ __forceinline__ void stride_over(std::uint64_t count, const Load& load, const Use& use) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * kStreamThreads;
  std::uint64_t i = std::uint64_t{blockIdx.x} * kStreamThreads + threadIdx.x;
  for (; i + (unroll - 1) * step < count; i += unroll * step) {
#pragma unroll
    for (int j = 0; j < unroll; ++j) {
      load(i + j * step, j);
    }
#pragma unroll
    for (int j = 0; j < unroll; ++j) {
      use(i + j * step, j);
    }
  }
  for (; i < count; i += step) {
    load(i, 0);
    use(i, 0);
  }
}

template <int unroll>
__global__ void __launch_bounds__(kStreamThreads)
    stream_read(const uint4* __restrict__ a, uint4* __restrict__ sink, std::uint64_t count) {
  uint4 v[unroll];
  std::uint32_t found = 0;
  stride_over<unroll>(
      count, [&](std::uint64_t i, int j) { v[j] = load_once(a + i); },
      [&](std::uint64_t, int j) { found ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w; });
  if (found == kNowhere) {
    store16(sink, {found, found, found, found});
  }
}

template <int unroll>
__global__ void __launch_bounds__(kStreamThreads) stream_write(uint4* __restrict__ a, std::uint64_t count) {
  stride_over<unroll>(
      count, [](std::uint64_t, int) {},
      [&](std::uint64_t i, int) {
        store16(a + i, {kWritten, kWritten, kWritten, kWritten});
      });
}

template <int unroll>
__global__ void __launch_bounds__(kStreamThreads)
    stream_copy(uint4* __restrict__ a, const uint4* __restrict__ b, std::uint64_t count) {
  uint4 v[unroll];
  stride_over<unroll>(
      count, [&](std::uint64_t i, int j) { v[j] = load_once(b + i); },
      [&](std::uint64_t i, int j) { store16(a + i, v[j]); });
}

__device__ __forceinline__ std::uint32_t triad(std::uint32_t b, std::uint32_t c) {
  return __float_as_uint(__uint_as_float(b) + kTriadFactor * __uint_as_float(c));
}

template <int unroll>
__global__ void __launch_bounds__(kStreamThreads)
    stream_triad(uint4* __restrict__ a, const uint4* __restrict__ b, const uint4* __restrict__ c, std::uint64_t count) {
  uint4 v[unroll], w[unroll];
  stride_over<unroll>(
      count,
      [&](std::uint64_t i, int j) {
        v[j] = load_once(b + i);
        w[j] = load_once(c + i);
      },
      [&](std::uint64_t i, int j) {
        store16(a + i, {triad(v[j].x, w[j].x), triad(v[j].y, w[j].y), triad(v[j].z, w[j].z), triad(v[j].w, w[j].w)});
      });
}

template <int unroll>
__global__ void chase(const std::uint32_t* __restrict__ next, std::uint32_t* __restrict__ out, std::uint32_t steps) {
  std::uint32_t i = 0;
#pragma unroll(unroll)
  for (std::uint32_t step = 0; step < steps; ++step) {
    i = load_past_l1(next + i);
  }
  *out = i;
}

template <int = 0>
__global__ void nothing() {}

template <class Launcher>
Status launch(const Launcher& launcher, const StreamWork& work) {
  if (work.bytes % 16 != 0 || work.blocks < 1) {
    return invalid("stream: bytes must be a multiple of 16, and blocks at least 1");
  }
  const Grid grid{.blocks_x = static_cast<unsigned>(work.blocks), .threads = kStreamThreads};
  const std::uint64_t count = work.bytes / 16;
  auto* a = static_cast<uint4*>(work.a);
  const auto* b = static_cast<const uint4*>(work.b);
  switch (work.stream) {
    case Stream::read:
      return launcher(grid, stream_read<8>, static_cast<const uint4*>(a), static_cast<uint4*>(work.sink), count);
    case Stream::write:
      return launcher(grid, stream_write<4>, a, count);
    case Stream::copy:
      return launcher(grid, stream_copy<4>, a, b, count);
    case Stream::triad:
      return launcher(grid, stream_triad<4>, a, b, static_cast<const uint4*>(work.c), count);
  }
  return invalid("stream: unknown kind");
}

template <class Launcher>
Status launch(const Launcher& launcher, const ChaseWork& work) {
  return launcher(Grid{}, chase<16>, work.next, work.out, work.steps);
}

template <class Launcher>
Status launch(const Launcher& launcher, const EmptyWork&) {
  return launcher(Grid{}, nothing<>);
}

}  // namespace moesaic::cuda
