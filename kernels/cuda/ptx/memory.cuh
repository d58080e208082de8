// Loads and stores of 16 bytes, the widest access of a thread, and asynchronous copies into shared memory.
#pragma once

#include "kernels/cuda/language.cuh"

namespace moesaic::cuda {

/// Global data that this kernel does not write and that is used once: it does not push other data out of L1. Loads stay
/// where they are written, so that many are under way before the first is used.
__device__ __forceinline__ uint4 load_once(const void* address) {
  uint4 v;
#if defined(__CUDA_ARCH__)
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(address));
#else
  memcpy(&v, address, 16);
#endif
  return v;
}

/// Global data; loads stay where they are written, so that all of a row are under way before the first is used.
__device__ __forceinline__ uint4 load_early(const void* address) {
  uint4 v;
#if defined(__CUDA_ARCH__)
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(address)
               : "memory");
#else
  memcpy(&v, address, 16);
#endif
  return v;
}

__device__ __forceinline__ uint4 load16(const void* address) {
#if defined(__CUDA_ARCH__)
  return *static_cast<const uint4*>(address);
#else
  uint4 v;
  memcpy(&v, address, 16);
  return v;
#endif
}

__device__ __forceinline__ uint2 load8(const void* address) {
#if defined(__CUDA_ARCH__)
  return *static_cast<const uint2*>(address);
#else
  uint2 v;
  memcpy(&v, address, 8);
  return v;
#endif
}

/// To global memory, in one access also where the compiler would take the value apart.
__device__ __forceinline__ void store16(void* address, uint4 v) {
#if defined(__CUDA_ARCH__)
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
#else
  memcpy(address, &v, 16);
#endif
}

__device__ __forceinline__ void store4(void* address, std::uint32_t v) {
#if defined(__CUDA_ARCH__)
  *static_cast<std::uint32_t*>(address) = v;
#else
  memcpy(address, &v, 4);
#endif
}

/// Through L2 only: what L1 may hold would hide the latency that is measured.
__device__ __forceinline__ std::uint32_t load_past_l1(const std::uint32_t* address) {
#if defined(__CUDA_ARCH__)
  return __ldcg(address);
#else
  return *address;
#endif
}

/// 16 bytes from global to shared memory, of which those after the first `bytes` become zeros and are not read.
__device__ __forceinline__ void copy_async(void* shared, const void* global, int bytes) {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<std::uint32_t>(__cvta_generic_to_shared(shared))),
               "l"(global), "r"(bytes)
               : "memory");
#elif !defined(__CUDACC__)
  shim::copy_async(shared, global, static_cast<unsigned>(bytes));
#endif
}

/// Closes a group of copies; groups end in the order in which they were closed.
__device__ __forceinline__ void commit_copies() {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#elif !defined(__CUDACC__)
  shim::commit_copies();
#endif
}

/// Waits until at most `pending` groups of this thread are under way. Other threads see the data after a barrier.
template <int pending>
__device__ __forceinline__ void wait_copies() {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#elif !defined(__CUDACC__)
  shim::wait_copies(pending);
#endif
}

}  // namespace moesaic::cuda
