// The part of CUDA C++ that the kernels use, in terms of the fibers of block.hpp.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "tests/kernels/shim/block.hpp"

#define __global__ inline
#define __device__ inline
#define __host__
#define __forceinline__
#define __grid_constant__
#define __launch_bounds__(...)

#define threadIdx (::shim::thread_index())
#define blockIdx (::shim::block_index())
#define blockDim (::shim::block_size())
#define gridDim (::shim::grid_size())

struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct alignas(8) uint2 {
  std::uint32_t x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

inline void __syncthreads() { shim::barrier(); }
inline void __syncwarp(unsigned mask = ~0U) { shim::exchange("__syncwarp", mask, nullptr, 0); }

template <class T>
T shim_shuffle(const char* name, unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  std::uint32_t words[sizeof(T) / 4];
  if (((mask >> (source % shim::kWarp)) & 1) == 0) {
    throw std::logic_error(std::string(name) + ": the source lane is not in the mask");
  }
  std::memcpy(words, &value, sizeof(T));
  const shim::Exchange& shown = shim::exchange(name, mask, words, sizeof(T) / 4);
  std::memcpy(&value, shown.words[source % shim::kWarp], sizeof(T));
  return value;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
  return shim_shuffle("__shfl_sync", mask, value, static_cast<unsigned>(source));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return shim_shuffle("__shfl_xor_sync", mask, value, shim::lane() ^ static_cast<unsigned>(bits));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
  return shim_shuffle("__shfl_up_sync", mask, value, shim::lane() >= distance ? shim::lane() - distance : shim::lane());
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const std::uint32_t word = predicate != 0 ? 1 : 0;
  const shim::Exchange& shown = shim::exchange("__ballot_sync", mask, &word, 1);
  unsigned votes = 0;
  for (unsigned i = 0; i < shim::kWarp; ++i) {
    votes |= ((mask >> i) & 1) != 0 ? shown.words[i][0] << i : 0;
  }
  return votes;
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = static_cast<float>(std::sin(3.14159265358979323846 * double{x}));
  *cosine = static_cast<float>(std::cos(3.14159265358979323846 * double{x}));
}
