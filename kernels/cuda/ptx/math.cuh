// The approximate functions of the special function unit.
#pragma once

#include "kernels/cuda/language.cuh"

namespace moesaic::cuda {

inline constexpr float kLog2E = 1.4426950408889634F;

__device__ __forceinline__ float exp2_fast(float x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

__device__ __forceinline__ float reciprocal_fast(float x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1 / x;
#endif
}

__device__ __forceinline__ float silu(float x) { return x * reciprocal_fast(1 + exp2_fast(-x * kLog2E)); }

}  // namespace moesaic::cuda
