// bf16 and fp8 (e4m3) as the kernels hold them: bits in integers, two bf16 or four fp8 in a 32-bit word.
#pragma once

#include "kernels/cuda/language.cuh"

namespace moesaic::cuda {

struct Bf16 {
  std::uint16_t bits;
};
struct Fp8 {
  std::uint8_t bits;
};

__host__ __device__ __forceinline__ std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}
__host__ __device__ __forceinline__ float float_of(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

__host__ __device__ __forceinline__ float to_float(Bf16 value) { return float_of(std::uint32_t{value.bits} << 16); }
__device__ __forceinline__ float low_float(std::uint32_t pair) { return float_of(pair << 16); }
__device__ __forceinline__ float high_float(std::uint32_t pair) { return float_of(pair & 0xFFFF0000U); }

/// Two floats to bf16, to nearest, ties to even; NaN stays NaN. The first is the lower half.
__host__ __device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
#if defined(__CUDA_ARCH__)
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  const auto rounded = [](float value) {
    const std::uint32_t bits = bits_of(value);
    return value != value ? 0x7FFFU : (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  };
  return rounded(low) | rounded(high) << 16;
#endif
}
__host__ __device__ __forceinline__ Bf16 to_bf16(float value) {
  return {static_cast<std::uint16_t>(pack_bf16(value, 0.0F) & 0xFFFFU)};
}

inline constexpr float kFp8Max = 448;

/// e4m3 has no infinities; 0x7F and 0xFF are NaN.
__host__ __device__ __forceinline__ float to_float(Fp8 value) {
  const std::uint32_t sign = std::uint32_t{value.bits & 0x80U} << 24, magnitude = value.bits & 0x7FU;
  if (magnitude == 0x7FU) {
    return float_of(sign | 0x7FC00000U);
  }
  // As the exponent and mantissa of a float the value is 2^-120 of what it should be, subnormals included.
  return float_of(sign | magnitude << 20) * 0x1p120F;
}

/// To nearest, ties to even, saturating at 448; NaN stays NaN.
__host__ __device__ __forceinline__ Fp8 to_fp8_by_bits(float value) {
  const std::uint32_t bits = bits_of(value), sign = bits >> 24 & 0x80U, magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) {
    return {static_cast<std::uint8_t>(sign | 0x7FU)};
  }
  if (magnitude >= 0x43E80000U) {  // 464, halfway to what would follow 448
    return {static_cast<std::uint8_t>(sign | 0x7EU)};
  }
  if (magnitude < 0x3C800000U) {  // below 2^-6, where steps are 2^-9: the addition rounds
    return {static_cast<std::uint8_t>(sign | (bits_of(float_of(magnitude) + 0x1p14F) - bits_of(0x1p14F)))};
  }
  const std::uint32_t rounded = magnitude + 0x7FFFFU + (magnitude >> 20 & 1U);
  return {static_cast<std::uint8_t>(sign | ((rounded - (120U << 23)) >> 20))};
}

/// Two floats to fp8; the first is the lower byte.
__host__ __device__ __forceinline__ std::uint32_t pack_fp8(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  std::uint16_t pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return std::uint32_t{to_fp8_by_bits(low).bits} | std::uint32_t{to_fp8_by_bits(high).bits} << 8;
#endif
}

/// Two fp8 in the lower half of `pair` to two bf16, exactly.
__device__ __forceinline__ std::uint32_t fp8_pair_to_bf16(std::uint32_t pair) {
#if defined(__CUDA_ARCH__)
  // 4 exponent and 3 mantissa bits at their places in bf16, then times 2^120: exact, also for subnormals. NaN becomes
  // 480, which only matters to data that is not finite.
  const std::uint32_t spread = __byte_perm(pair, 0, 0x1404);
  const std::uint32_t bits = (spread & 0x80008000U) | (spread & 0x7F007F00U) >> 4;
  std::uint32_t product;
  asm("{.reg .b32 zero; mov.b32 zero, 0x80008000; fma.rn.bf16x2 %0, %1, %2, zero;}"
      : "=r"(product)
      : "r"(bits), "r"(0x7B807B80U));
  return product;
#else
  return pack_bf16(to_float(Fp8{static_cast<std::uint8_t>(pair & 0xFFU)}),
                   to_float(Fp8{static_cast<std::uint8_t>(pair >> 8 & 0xFFU)}));
#endif
}

/// Eight bf16, as one access moves them.
struct Floats8 {
  float value[8];
};
__device__ __forceinline__ Floats8 unpack(uint4 v) {
  return {{low_float(v.x), high_float(v.x), low_float(v.y), high_float(v.y), low_float(v.z), high_float(v.z),
           low_float(v.w), high_float(v.w)}};
}
__device__ __forceinline__ uint4 pack(const Floats8& f) {
  return {pack_bf16(f.value[0], f.value[1]), pack_bf16(f.value[2], f.value[3]), pack_bf16(f.value[4], f.value[5]),
          pack_bf16(f.value[6], f.value[7])};
}

/// Bytes of two words in any order, as PTX prmt has it: digit i of the selector names byte i of the result.
__device__ __forceinline__ std::uint32_t select_bytes(std::uint32_t low, std::uint32_t high, std::uint32_t selector) {
#if defined(__CUDACC__)
  return __byte_perm(low, high, selector);
#else
  const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
  std::uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    result |= static_cast<std::uint32_t>(bytes >> 8 * (selector >> 4 * i & 7) & 0xFF) << 8 * i;
  }
  return result;
#endif
}

}  // namespace moesaic::cuda
