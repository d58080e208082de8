// ldmatrix: four matrices of 8 x 8 bf16 from shared memory into fragments. Lane 8 i + r gives the address of row r of
// matrix i. Lane 4 g + t gets elements (g, 2 t) and (g, 2 t + 1) of matrix i in word i; transposed, (2 t, g) and
// (2 t + 1, g).
#pragma once

#include "kernels/cuda/language.cuh"

namespace moesaic::cuda {

#if !defined(__CUDACC__)
namespace on_cpu {

inline const void* shown_address(const shim::Exchange& shown, unsigned lane) {
  const void* address;
  memcpy(&address, shown.words[lane], sizeof address);
  return address;
}

inline const shim::Exchange& show_address(const char* name, const void* row) {
  static_assert(sizeof row == 8);
  std::uint32_t words[2];
  memcpy(words, &row, sizeof row);
  return shim::exchange(name, kAllLanes, words, 2);
}

}  // namespace on_cpu
#endif

__device__ __forceinline__ void load_matrices(std::uint32_t (&words)[4], const void* row) {
#if defined(__CUDA_ARCH__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#elif !defined(__CUDACC__)
  const shim::Exchange& shown = on_cpu::show_address("load_matrices", row);
  for (unsigned i = 0; i < 4; ++i) {
    const void* source = on_cpu::shown_address(shown, 8 * i + shim::lane() / 4);
    memcpy(&words[i], static_cast<const unsigned char*>(source) + std::size_t{4} * (shim::lane() % 4), 4);
  }
#endif
}

__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&words)[4], const void* row) {
#if defined(__CUDA_ARCH__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#elif !defined(__CUDACC__)
  const shim::Exchange& shown = on_cpu::show_address("load_matrices_transposed", row);
  for (unsigned i = 0; i < 4; ++i) {
    std::uint16_t pair[2];
    for (unsigned half = 0; half < 2; ++half) {
      const void* source = on_cpu::shown_address(shown, 8 * i + 2 * (shim::lane() % 4) + half);
      memcpy(&pair[half], static_cast<const unsigned char*>(source) + std::size_t{2} * (shim::lane() / 4), 2);
    }
    memcpy(&words[i], pair, 4);
  }
#endif
}

}  // namespace moesaic::cuda
