// CUDA C++ under nvcc; elsewhere the fibers of tests/kernels/shim, which run the same kernels on the CPU.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "tests/kernels/shim/cuda.hpp"
#endif

#include <cstdint>
#include <cstring>

namespace moesaic::cuda {

/// The block's dynamic shared memory; the launch asks for sizeof(T) bytes or more.
template <class T>
__device__ __forceinline__ T& shared_memory() {
#if defined(__CUDACC__)
  extern __shared__ __align__(128) unsigned char shared_bytes[];
  return *reinterpret_cast<T*>(shared_bytes);
#else
  return *reinterpret_cast<T*>(shim::shared_memory());
#endif
}

template <class Integer>
__host__ __device__ constexpr Integer ceil_div(Integer a, Integer b) {
  return (a + b - 1) / b;
}

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x) % 32; }
__device__ __forceinline__ int warp_index() { return static_cast<int>(threadIdx.x) / 32; }

/// The sum over `lanes` neighbouring lanes, a power of two; every lane gets it.
template <int lanes>
__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int bits = lanes / 2; bits > 0; bits /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, bits);
  }
  return value;
}

template <int lanes>
__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int bits = lanes / 2; bits > 0; bits /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, bits));
  }
  return value;
}

}  // namespace moesaic::cuda
