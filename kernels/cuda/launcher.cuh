// How a work becomes launches: launch(launcher, work) in each family's file, the same for a GPU and for the CPU.
// A launcher is called as launcher(grid, kernel, arguments...) and gives a Status; launcher.architecture(kernel) is
// the compute capability (90) that the kernel was compiled for.
#pragma once

#include <string>
#include <utility>

#include "kernels/cuda/language.cuh"
#include "kernels/cuda/runtime.hpp"

namespace moesaic::cuda {

struct Grid {
  unsigned blocks_x = 1, blocks_y = 1, blocks_z = 1;
  unsigned threads = 1;
  std::size_t shared_bytes = 0;
};

inline Status invalid(std::string text) { return {1, std::move(text)}; }          // cudaErrorInvalidValue
inline Status not_supported(std::string text) { return {801, std::move(text)}; }  // cudaErrorNotSupported

}  // namespace moesaic::cuda
