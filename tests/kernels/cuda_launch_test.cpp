// Launching answers with a status also where there is no GPU, and refuses what it has no kernel for.
#include "kernels/cuda/launch.hpp"

#include <gtest/gtest.h>

namespace moesaic::cuda {
namespace {

TEST(Launch, RefusesWhatItHasNoKernelFor) {
  EXPECT_EQ(launch(GemmWork{}, nullptr).text, "gemm is done by a library, not by a kernel of ours");
  EXPECT_EQ(launch(DecodeAttentionWork{.head_dim = 96}, nullptr).text,
            "decode attention: head_dim 96; known are 64, 128 and 256");
  EXPECT_EQ(launch(StreamWork{.bytes = 24}, nullptr).code, 1);
}

TEST(Launch, AFailureHasANumberAndAText) {
  const Status status = launch(EmptyWork{}, nullptr);
  EXPECT_EQ(status.code == 0, status.text.empty()) << status.code << ": " << status.text;
}

TEST(Launch, WithoutADeviceNothingCrashes) {
  // Asks for the architecture first, and for much shared memory: both need a device.
  const Status roof = launch(TensorIssueWork{.dtype = DType::fp8, .loops = 0}, nullptr);
  const Status attention = launch(MlaDecodeWork{.sequences = 65535 + 1}, nullptr);
  EXPECT_EQ(roof.code == 0, roof.text.empty());
  EXPECT_EQ(attention.code, 1);
}

}  // namespace
}  // namespace moesaic::cuda
