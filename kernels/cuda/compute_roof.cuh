// The rates at which tensor cores and fused multiply-add units can be kept busy, with nothing to wait for.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "kernels/cuda/ptx/mma.cuh"
#include "kernels/cuda/ptx/wgmma.cuh"

namespace moesaic::cuda {

inline constexpr unsigned kIssueThreads = 128;
inline constexpr unsigned kFmaThreads = 256;

enum class Format : unsigned char { bf16, fp16, fp8, int8 };

/// A word of small values that differ: zeros would take less power, and with it more clock, than real work. All
/// formats: low exponents, or the integers 0 to 3.
template <Format format>
__device__ __forceinline__ std::uint32_t operand(unsigned i) {
  const std::uint32_t mixed = (i * 0x9E3779B9U) ^ (i * 0x85EBCA6BU >> 13);
  switch (format) {
    case Format::bf16:
      return 0x3C003C00U | (mixed & 0x807F807FU);
    case Format::fp16:
      return 0x24002400U | (mixed & 0x83FF83FFU);
    case Format::fp8:
      return 0x10101010U | (mixed & 0x87878787U);
    case Format::int8:
      return mixed & 0x03030303U;
  }
  return 0;
}

template <Format format, class Sum>
__device__ __forceinline__ void mma(Sum (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  if constexpr (format == Format::bf16) {
    mma_bf16(c, a, b);
  } else if constexpr (format == Format::fp16) {
    mma_fp16(c, a, b);
  } else if constexpr (format == Format::fp8) {
    mma_fp8(c, a, b);
  } else {
    mma_int8(c, a, b);
  }
}

template <Format format>
struct SumOf {
  using Type = float;
};
template <>
struct SumOf<Format::int8> {
  using Type = std::int32_t;
};

struct IssueTile {
  uint4 a[kIssueRows * kIssueBytes / 16];
  uint4 b[kIssueColumns * kIssueBytes / 16];
  static constexpr int kAlignment = 1024;
};

#if defined(MOESAIC_WGMMA)
template <Format format, class Sum>
__device__ __forceinline__ void wgmma(Sum (&d)[128], std::uint64_t a, std::uint64_t b) {
  if constexpr (format == Format::bf16) {
    wgmma_bf16(d, a, b);
  } else if constexpr (format == Format::fp16) {
    wgmma_fp16(d, a, b);
  } else if constexpr (format == Format::fp8) {
    wgmma_fp8(d, a, b);
  } else {
    wgmma_int8(d, a, b);
  }
}
#endif

// The tensor cores of compute capability 10 answer to tcgen05; what is left of mma.sync there is no roof.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000 && __CUDA_ARCH__ < 1200
#define MOESAIC_TCGEN05 1
#endif

/// Each of the four warps owns 64 columns: 4 x 8 products of independent sums, so that none waits for another.
template <Format format>
__global__ void __launch_bounds__(kIssueThreads) tensor_issue(float* __restrict__ out, int loops) {
  using Sum = typename SumOf<format>::Type;
  Sum total = 0;
#if defined(MOESAIC_WGMMA)
  auto* bytes = &shared_memory<unsigned char>();
  bytes += (IssueTile::kAlignment - __cvta_generic_to_shared(bytes) % IssueTile::kAlignment) % IssueTile::kAlignment;
  auto* words = reinterpret_cast<std::uint32_t*>(bytes);
  for (unsigned i = threadIdx.x; i < sizeof(IssueTile) / 4; i += kIssueThreads) {
    words[i] = operand<format>(i);
  }
  fence_shared_for_wgmma();
  __syncthreads();
  const std::uint64_t a = describe_matrix(bytes), b = describe_matrix(bytes + sizeof(IssueTile::a));
  Sum sums[128] = {};
  for (int loop = 0; loop < loops; ++loop) {
    wgmma_begin();
#pragma unroll
    for (int k = 0; k < kIssueBytes; k += 32) {
      wgmma<format>(sums, a + k / 16, b + k / 16);
    }
    wgmma_commit();
  }
  wgmma_wait(sums);
#pragma unroll
  for (int i = 0; i < 128; ++i) {
    total += sums[i];
  }
#elif !defined(MOESAIC_TCGEN05)
  constexpr int kRowTiles = kIssueRows / 16, kColumnTiles = kIssueColumns / 4 / 8;
  std::uint32_t a[kRowTiles][4], b[kColumnTiles][2];
#pragma unroll
  for (int i = 0; i < kRowTiles * 4; ++i) {
    a[i / 4][i % 4] = operand<format>(threadIdx.x * 32 + i);
  }
#pragma unroll
  for (int i = 0; i < kColumnTiles * 2; ++i) {
    b[i / 2][i % 2] = operand<format>(threadIdx.x * 32 + 16 + i);
  }
  Sum sums[kRowTiles][kColumnTiles][4] = {};
  for (int loop = 0; loop < loops; ++loop) {
#pragma unroll
    for (int k = 0; k < kIssueBytes; k += 32) {
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
        for (int j = 0; j < kColumnTiles; ++j) {
          mma<format>(sums[i][j], a[i], b[j]);
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnTiles * 4; ++j) {
      total += sums[i][j / 4][j % 4];
    }
  }
#endif
  out[blockIdx.x * kIssueThreads + threadIdx.x] = static_cast<float>(total);
}

template <int chains>
__global__ void __launch_bounds__(kFmaThreads)
    fma_issue(float* __restrict__ out, int loops, float factor, float addend) {
  float x[chains];
#pragma unroll
  for (int i = 0; i < chains; ++i) {
    x[i] = static_cast<float>(threadIdx.x + i);
  }
  for (int loop = 0; loop < loops; ++loop) {
#pragma unroll
    for (int j = 0; j < kFmaLinks; ++j) {
#pragma unroll
      for (int i = 0; i < chains; ++i) {
        x[i] = fmaf(x[i], factor, addend);
      }
    }
  }
  float total = 0;
#pragma unroll
  for (int i = 0; i < chains; ++i) {
    total += x[i];
  }
  out[blockIdx.x * kFmaThreads + threadIdx.x] = total;
}

template <class Launcher>
Status launch(const Launcher& launcher, const TensorIssueWork& work) {
  if (work.loops < 0 || work.blocks < 1) {
    return invalid("tensor issue: blocks must be at least 1, loops not negative");
  }
  const Grid grid{.blocks_x = static_cast<unsigned>(work.blocks),
                  .threads = kIssueThreads,
                  .shared_bytes = sizeof(IssueTile) + IssueTile::kAlignment};
  const int architecture = launcher.architecture(tensor_issue<Format::bf16>);
  if (architecture >= 100 && architecture < 120) {
    return not_supported("tensor issue: compute capability 10 needs tcgen05; its roof is the library's GEMM");
  }
  switch (work.dtype) {
    case DType::bf16:
      return launcher(grid, tensor_issue<Format::bf16>, work.out, work.loops);
    case DType::fp16:
      return launcher(grid, tensor_issue<Format::fp16>, work.out, work.loops);
    case DType::int8:
      return launcher(grid, tensor_issue<Format::int8>, work.out, work.loops);
    case DType::fp8:
      if (architecture < 89) {
        return not_supported("tensor issue: fp8 needs compute capability 8.9, and kernels compiled for it");
      }
      return launcher(grid, tensor_issue<Format::fp8>, work.out, work.loops);
    default:
      return not_supported("tensor issue: " + std::string(name(work.dtype)) + "; known are fp16, bf16, fp8 and int8");
  }
}

template <class Launcher>
Status launch(const Launcher& launcher, const FmaIssueWork& work) {
  if (work.loops < 0 || work.blocks < 1) {
    return invalid("fma issue: blocks must be at least 1, loops not negative");
  }
  const Grid grid{.blocks_x = static_cast<unsigned>(work.blocks), .threads = kFmaThreads};
  return launcher(grid, fma_issue<kFmaChains>, work.out, work.loops, 0.5F, 1.0F);
}

}  // namespace moesaic::cuda
