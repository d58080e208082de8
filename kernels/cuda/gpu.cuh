// The launcher of a GPU, and what each family's .cu defines.
#pragma once

#include "kernels/cuda/launcher.cuh"

namespace moesaic::cuda {

inline Status status_of(cudaError_t error) {
  if (error == cudaSuccess) {
    return {};
  }
  std::string text = cudaGetErrorString(error);
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
      error == cudaErrorUnsupportedPtxVersion) {
    text += "; it needs compute capability 8.0 or more, and moesaic built with -DCMAKE_CUDA_ARCHITECTURES=native";
  }
  return {static_cast<int>(error), std::move(text)};
}

struct GpuLauncher {
  StreamHandle stream;

  template <class... Parameters, class... Arguments>
  Status operator()(const Grid& grid, void (*kernel)(Parameters...), Arguments... arguments) const {
    constexpr std::size_t kWithoutAsking = 48 << 10;  // bytes of dynamic shared memory
    if (grid.shared_bytes > kWithoutAsking) {
      const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(grid.shared_bytes));
      if (error != cudaSuccess) {
        cudaGetLastError();  // reported here, not by the next call
        return error != cudaErrorInvalidValue ? status_of(error)
                                              : not_supported("a block needs " + std::to_string(grid.shared_bytes) +
                                                              " bytes of shared memory, more than this device has");
      }
    }
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = dim3(grid.blocks_x, grid.blocks_y, grid.blocks_z);
    configuration.blockDim = dim3(grid.threads);
    configuration.dynamicSmemBytes = grid.shared_bytes;
    configuration.stream = static_cast<cudaStream_t>(stream);
    const cudaError_t error = cudaLaunchKernelEx(&configuration, kernel, static_cast<Parameters>(arguments)...);
    if (error != cudaSuccess) {
      cudaGetLastError();
    }
    return status_of(error);
  }

  /// Of the PTX that the loaded code was made from; 0 if it cannot be loaded.
  template <class... Parameters>
  static int architecture(void (*kernel)(Parameters...)) {
    cudaFuncAttributes attributes{};
    if (cudaFuncGetAttributes(&attributes, kernel) != cudaSuccess) {
      cudaGetLastError();
      return 0;
    }
    return attributes.ptxVersion;
  }
};

}  // namespace moesaic::cuda
