// The runtime of the CUDA Toolkit where there may be no GPU: it says so, and nothing crashes.
#include "kernels/cuda/cuda_runtime.hpp"

#include <gtest/gtest.h>

#include "kernels/cuda/device.hpp"

namespace moesaic::cuda {
namespace {

Status no_kernels(const Work&, StreamHandle) { return {801, "not here"}; }

TEST(CudaRuntime, WithoutAGpuEveryCallSaysWhy) {
  const std::unique_ptr<Runtime> runtime = make_cuda_runtime(&no_kernels);
  int count = 0;
  const Status counted = runtime->device_count(count);
  if (counted.ok() && count > 0) {
    GTEST_SKIP() << "there is a GPU here";
  }
  EXPECT_EQ(failure_of(counted.code), Failure::no_device) << counted.text;
  EXPECT_FALSE(counted.text.empty());
  EXPECT_THROW(allocate(*runtime, {1024}), Error);
  EXPECT_THROW(create_stream(*runtime), Error);
  EXPECT_FALSE(runtime->launch(GemmWork{.m = 16, .n = 16, .k = 16}, nullptr).ok());
  EXPECT_EQ(runtime->launch(EmptyWork{}, nullptr).text, "not here");
  EXPECT_FALSE(runtime->sensors(0).known);
  void* communicator = nullptr;
  EXPECT_FALSE(runtime->create_communicator(communicator, 2).ok());
  EXPECT_EQ(communicator, nullptr);
}

}  // namespace
}  // namespace moesaic::cuda
