// mma.sync: a warp adds the product of a 16 x K and a K x 8 matrix to a 16 x 8 matrix, K words of 32 bits being 8.
// Lane 4 g + t holds, with words counted along k: a[0], a[1], a[2], a[3] = A(g, t), A(g + 8, t), A(g, t + 4),
// A(g + 8, t + 4); b[0], b[1] = B(t, g), B(t + 4, g); c[0], c[1] = C(g, 2 t), C(g, 2 t + 1); c[2], c[3] = the same of
// row g + 8.
#pragma once

#include "kernels/cuda/number.cuh"

namespace moesaic::cuda {

#if !defined(__CUDACC__)
namespace on_cpu {

template <int elements, class Value, class Decode>
void multiply(const shim::Exchange& shown, Value (&product)[16][8], const Decode& decode) {
  Value a[16][8 * elements], b[8 * elements][8];
  for (unsigned word = 0; word < 8; ++word) {
    for (unsigned row = 0; row < 16; ++row) {
      const std::uint32_t bits = shown.words[row % 8 * 4 + word % 4][row / 8 + 2 * (word / 4)];
      for (unsigned i = 0; i < elements; ++i) {
        a[row][word * elements + i] = decode(bits, i);
      }
    }
    for (unsigned column = 0; column < 8; ++column) {
      const std::uint32_t bits = shown.words[column * 4 + word % 4][4 + word / 4];
      for (unsigned i = 0; i < elements; ++i) {
        b[word * elements + i][column] = decode(bits, i);
      }
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      product[row][column] = 0;
    }
    for (int k = 0; k < 8 * elements; ++k) {
      for (int column = 0; column < 8; ++column) {
        product[row][column] += a[row][k] * b[k][column];
      }
    }
  }
}

inline float half_to_float(std::uint32_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16, magnitude = bits & 0x7FFFU;
  return magnitude >= 0x7C00U ? float_of(sign | 0x7F800000U | (magnitude & 0x3FFU) << 13)
                              : float_of(sign | magnitude << 13) * 0x1p112F;
}

inline void multiply_bf16(shim::Exchange& shown) {
  multiply<2>(shown, shown.product, [](std::uint32_t word, unsigned i) { return low_float(word >> 16 * i); });
}
inline void multiply_fp16(shim::Exchange& shown) {
  multiply<2>(shown, shown.product, [](std::uint32_t word, unsigned i) { return half_to_float(word >> 16 * i); });
}
inline void multiply_fp8(shim::Exchange& shown) {
  multiply<4>(shown, shown.product, [](std::uint32_t word, unsigned i) {
    return to_float(Fp8{static_cast<std::uint8_t>(word >> 8 * i & 0xFFU)});
  });
}
inline void multiply_int8(shim::Exchange& shown) {
  multiply<4>(shown, shown.integer_product,
              [](std::uint32_t word, unsigned i) -> std::int32_t { return static_cast<std::int8_t>(word >> 8 * i); });
}

inline const shim::Exchange& show_fragments(const char* name, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                            void (*multiply)(shim::Exchange&)) {
  const std::uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  return shim::exchange(name, kAllLanes, words, 6, multiply);
}

template <class Value>
void add(Value (&c)[4], const Value (&product)[16][8]) {
  const unsigned row = shim::lane() / 4, column = shim::lane() % 4 * 2;
  for (unsigned i = 0; i < 4; ++i) {
    c[i] += product[row + i / 2 * 8][column + i % 2];
  }
}

}  // namespace on_cpu
#endif

__device__ __forceinline__ void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif !defined(__CUDACC__)
  on_cpu::add(c, on_cpu::show_fragments("mma_bf16", a, b, on_cpu::multiply_bf16).product);
#endif
}

__device__ __forceinline__ void mma_fp16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif !defined(__CUDACC__)
  on_cpu::add(c, on_cpu::show_fragments("mma_fp16", a, b, on_cpu::multiply_fp16).product);
#endif
}

/// From compute capability 8.9 on; nothing before it, where launching is refused.
__device__ __forceinline__ void mma_fp8(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif !defined(__CUDACC__)
  on_cpu::add(c, on_cpu::show_fragments("mma_fp8", a, b, on_cpu::multiply_fp8).product);
#endif
}

__device__ __forceinline__ void mma_int8(std::int32_t (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__)
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif !defined(__CUDACC__)
  on_cpu::add(c, on_cpu::show_fragments("mma_int8", a, b, on_cpu::multiply_int8).integer_product);
#endif
}

}  // namespace moesaic::cuda
