// wgmma of compute capability 9.0a: four warps add the product of a 64 x K and a K x 256 matrix, both in shared memory,
// to 128 registers a thread; K is 32 bytes.
#pragma once

#include <type_traits>

#include "kernels/cuda/language.cuh"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define MOESAIC_WGMMA 1
#endif

namespace moesaic::cuda {

#if defined(MOESAIC_WGMMA)

/// Describes a matrix whose rows lie 128 bytes apart, swizzled in groups of 8 rows; the address is a multiple of 1024.
__device__ __forceinline__ std::uint64_t describe_matrix(const void* shared) {
  const std::uint64_t address = __cvta_generic_to_shared(shared);
  return (address & 0x3FFFF) >> 4 | std::uint64_t{1} << 16 | std::uint64_t{1024 >> 4} << 32 | std::uint64_t{1} << 62;
}

/// Orders writes of shared memory by ordinary stores before the reads of the tensor cores.
__device__ __forceinline__ void fence_shared_for_wgmma() { asm volatile("fence.proxy.async;" ::: "memory"); }
__device__ __forceinline__ void wgmma_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// The sums may be read afterwards, and not before: they change behind the compiler's back.
template <class Sum>
__device__ __forceinline__ void wgmma_wait(Sum (&sums)[128]) {
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
  for (Sum& sum : sums) {
    if constexpr (std::is_same_v<Sum, float>) {
      asm volatile("" : "+f"(sum)::"memory");
    } else {
      asm volatile("" : "+r"(sum)::"memory");
    }
  }
}

#define MOESAIC_8(kind, i)                                                                                    \
  kind(d[i]), kind(d[i + 1]), kind(d[i + 2]), kind(d[i + 3]), kind(d[i + 4]), kind(d[i + 5]), kind(d[i + 6]), \
      kind(d[i + 7])
#define MOESAIC_32(kind, i) MOESAIC_8(kind, i), MOESAIC_8(kind, i + 8), MOESAIC_8(kind, i + 16), MOESAIC_8(kind, i + 24)
#define MOESAIC_128(kind) MOESAIC_32(kind, 0), MOESAIC_32(kind, 32), MOESAIC_32(kind, 64), MOESAIC_32(kind, 96)
#define MOESAIC_REGISTERS                                                                        \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                       \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "             \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "             \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "             \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

// Adds to what is there; for 16-bit formats, both matrices with k running along their rows.
#define MOESAIC_WGMMA_FUNCTION(name, type, kind, instruction, scales)                                \
  __device__ __forceinline__ void name(type(&d)[128], std::uint64_t a, std::uint64_t b) {            \
    asm volatile("{.reg .pred add; setp.eq.b32 add, 0, 0; wgmma.mma_async.sync.aligned." instruction \
                 " {" MOESAIC_REGISTERS "}, %128, %129, " scales ";}"                                \
                 : MOESAIC_128(kind)                                                                 \
                 : "l"(a), "l"(b));                                                                  \
  }
MOESAIC_WGMMA_FUNCTION(wgmma_bf16, float, "+f", "m64n256k16.f32.bf16.bf16", "add, 1, 1, 0, 0")
MOESAIC_WGMMA_FUNCTION(wgmma_fp16, float, "+f", "m64n256k16.f32.f16.f16", "add, 1, 1, 0, 0")
MOESAIC_WGMMA_FUNCTION(wgmma_fp8, float, "+f", "m64n256k32.f32.e4m3.e4m3", "add, 1, 1")
MOESAIC_WGMMA_FUNCTION(wgmma_int8, std::int32_t, "+r", "m64n256k32.s32.s8.s8", "add")

#undef MOESAIC_WGMMA_FUNCTION
#undef MOESAIC_REGISTERS
#undef MOESAIC_128
#undef MOESAIC_32
#undef MOESAIC_8

#endif

}  // namespace moesaic::cuda
