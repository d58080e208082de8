// On a GPU all works give what they give on the CPU (the tests of the other files); without one, launching says so.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "tests/kernels/cuda_gpu.hpp"

namespace moesaic::cuda {
namespace {

std::string why_not() {
  int devices = 0, readable = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&devices); error != cudaSuccess) {
    return cudaGetErrorString(error);
  }
  if (devices == 0) {
    return "no GPU";
  }
  cudaDeviceGetAttribute(&readable, cudaDevAttrPageableMemoryAccess, 0);
  return readable != 0 ? "" : "this GPU does not read the memory of the host";
}

struct NeedsGpu : testing::Environment {
  void SetUp() override {
    if (const std::string reason = why_not(); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }
};
[[maybe_unused]] const testing::Environment* const environment = testing::AddGlobalTestEnvironment(new NeedsGpu);

TEST(Gpu, AnEmptyKernelRuns) {
  EXPECT_EQ(launch(EmptyWork{}, nullptr).text, "");
  EXPECT_EQ(synchronize().text, "");
}

}  // namespace

Status synchronize() {
  const cudaError_t error = cudaDeviceSynchronize();
  return error == cudaSuccess ? Status{} : Status{static_cast<int>(error), cudaGetErrorString(error)};
}

}  // namespace moesaic::cuda
