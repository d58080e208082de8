// Launches kernels on the CPU with the configuration that a GPU would get.
#pragma once

#include "kernels/cuda/launcher.cuh"
#include "tests/kernels/shim/block.hpp"

namespace shim {

/// What the launch templates of kernels/cuda call; stands for a GPU of compute capability 9.0 without wgmma.
struct Launcher {
  Options options;

  template <class... Parameters, class... Arguments>
  moesaic::cuda::Status operator()(const moesaic::cuda::Grid& grid, void (*kernel)(Parameters...),
                                   Arguments... arguments) const {
    run(options, dim3(grid.blocks_x, grid.blocks_y, grid.blocks_z), dim3(grid.threads), grid.shared_bytes,
        [&] { kernel(arguments...); });
    return {};
  }
  template <class... Parameters>
  static int architecture(void (*)(Parameters...)) {
    return 90;
  }
};

}  // namespace shim
