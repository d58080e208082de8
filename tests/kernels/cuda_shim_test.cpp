// The fibers that stand for CUDA threads find what is wrong with a kernel, and run a right one as a GPU would.
#include <gtest/gtest.h>

#include <Eigen/Core>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/ptx/ldmatrix.cuh"
#include "kernels/cuda/ptx/memory.cuh"
#include "kernels/cuda/ptx/mma.cuh"
#include "tests/address_sanitizer.hpp"
#include "tests/kernels/shim/block.hpp"

namespace moesaic::cuda {
namespace {

void run(int seed, unsigned threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  shim::run({.seed = static_cast<std::uint64_t>(seed)}, dim3(1), dim3(threads), shared_bytes, kernel);
}

std::string failure(unsigned threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  try {
    run(0, threads, shared_bytes, kernel);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

/// Every thread shows its number to the thread at the other end of the block.
std::vector<int> reverse(int seed, bool with_barrier) {
  std::vector<int> out(128, -1);
  run(seed, 128, 128 * sizeof(int), [&] {
    int* const numbers = &shared_memory<int>();
    const unsigned i = threadIdx.x;
    numbers[i] = static_cast<int>(i);
    if (with_barrier) {
      __syncthreads();
    }
    out[i] = numbers[127 - i];
  });
  return out;
}

std::vector<int> counting_down() {
  std::vector<int> expected(128);
  std::iota(expected.rbegin(), expected.rend(), 0);
  return expected;
}

TEST(Fibers, AMissingBarrierIsFoundUnderEverySchedule) {
  for (int seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(reverse(seed, true), counting_down()) << seed;
    EXPECT_NE(reverse(seed, false), counting_down()) << seed;
  }
}

/// Two warps, the second of which uses what the first one wrote: right in the order of their numbers, without a
/// barrier.
TEST(Fibers, SomeScheduleRunsTheLastWarpFirst) {
  int wrong = 0;
  for (int seed = 0; seed <= 8; ++seed) {
    int seen = 0;
    run(seed, 64, sizeof(int), [&] {
      int& number = shared_memory<int>();
      if (threadIdx.x == 0) {
        number = 7;
      }
      if (threadIdx.x == 63) {
        seen = number;
      }
    });
    wrong += seen == 7 ? 0 : 1;
    EXPECT_TRUE(seed != 0 || seen == 7);
  }
  EXPECT_GT(wrong, 0);
}

TEST(Fibers, ABarrierThatNotAllReachIsReported) {
  const auto kernel = [] {
    if (threadIdx.x < 2) {
      __syncthreads();
    } else if (threadIdx.x < 40) {
      __syncwarp();
    }
  };
  EXPECT_EQ(failure(64, 0, kernel),
            "deadlock in block (0,0,0): 2 of 40 live threads at a barrier, 38 at a warp collective");
}

TEST(Fibers, ThreadsThatHaveEndedAreNotWaitedFor) {
  EXPECT_EQ(failure(64, 0,
                    [] {
                      if (threadIdx.x < 40) {
                        __syncthreads();
                      }
                    }),
            "");
}

TEST(Fibers, LanesThatMeetAtDifferentPlacesAreReported) {
  EXPECT_EQ(failure(32, 0,
                    [] {
                      if (threadIdx.x == 5) {
                        __syncwarp();
                      } else {
                        __ballot_sync(kAllLanes, 1);
                      }
                    }),
            "lanes of a warp meet at __ballot_sync and at __syncwarp");
  EXPECT_EQ(failure(32, 0, [] { __shfl_sync(1U << threadIdx.x, 1, 31); }),
            "__shfl_sync: the source lane is not in the mask");
}

TEST(Fibers, WhatAGpuRefusesIsRefused) {
  const auto nothing = [] {};
  EXPECT_EQ(failure(1024, shim::kMaxShared, nothing), "");
  EXPECT_EQ(failure(1025, 0, nothing), "a block of (1025,1,1) threads");
  EXPECT_EQ(failure(0, 0, nothing), "a block of (0,1,1) threads");
  EXPECT_EQ(failure(1, shim::kMaxShared + 1, nothing), "232449 bytes of shared memory");
  EXPECT_THROW(shim::run({}, dim3(1, 65536), dim3(1), 0, nothing), std::invalid_argument);
  EXPECT_THROW(shim::run({}, dim3(0), dim3(1), 0, nothing), std::invalid_argument);
}

TEST(Fibers, SharedMemoryHoldsNaNWhenABlockStarts) {
  int found = 0;
  shim::run({}, dim3(3), dim3(1), 8, [&] {
    float& value = shared_memory<float>();
    found += std::isnan(value) ? 1 : 0;
    value = 1;
  });
  EXPECT_EQ(found, 3);
}

TEST(Fibers, AnExceptionInOneThreadEndsAll) {
  EXPECT_EQ(failure(64, 0,
                    [] {
                      if (threadIdx.x == 33) {
                        throw std::runtime_error("thread 33");
                      }
                      __syncthreads();
                    }),
            "thread 33");
}

// Writes to its frame, so that neither the calls nor the array are optimised away.
unsigned deep(unsigned levels) {  // NOLINT(misc-no-recursion)
  volatile unsigned frame[256];
  frame[levels % 256] = levels;
  return levels == 0 ? 0 : deep(levels - 1) + frame[levels % 256];
}

TEST(FibersDeathTest, AStackThatOverflowsEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run(0, 1, 0, [] { deep(1U << 16); }), "");
}

#if defined(MOESAIC_ADDRESS_SANITIZER)
TEST(FibersDeathTest, AnAccessOutsideABufferIsFound) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<int> buffer(64);
  int* const data = buffer.data();
  EXPECT_DEATH(run(1, 65, 0, [&] { data[threadIdx.x] = 1; }), "heap-buffer-overflow");
  EXPECT_DEATH(run(1, 33, 128, [&] { (&shared_memory<int>())[threadIdx.x] = 1; }), "heap-buffer-overflow");
}
#endif

TEST(Fibers, ThreadsKnowWhereTheyAre) {
  std::vector<unsigned> seen;
  shim::run({}, dim3(2, 1, 2), dim3(2, 3), 0, [&] {
    seen.push_back((blockIdx.z * gridDim.x + blockIdx.x) * 6 + threadIdx.y * blockDim.x + threadIdx.x);
  });
  std::vector<unsigned> expected(24);
  std::iota(expected.begin(), expected.end(), 0U);
  EXPECT_EQ(seen, expected);
}

TEST(WarpFunctions, MoveValuesBetweenLanes) {
  for (int seed = 0; seed <= 8; ++seed) {
    run(seed, 64, 0, [] {
      const int lane = lane_index();
      EXPECT_EQ(__shfl_sync(kAllLanes, lane * 3, 5), 15);
      EXPECT_EQ(__shfl_xor_sync(kAllLanes, std::uint64_t(lane) << 40, 3), std::uint64_t(lane ^ 3) << 40);
      EXPECT_EQ(__shfl_up_sync(kAllLanes, lane, 4), lane < 4 ? lane : lane - 4);
      EXPECT_EQ(__ballot_sync(kAllLanes, lane % 2), 0xAAAAAAAAU);
      EXPECT_EQ(warp_sum<32>(static_cast<float>(lane)), 496);
      EXPECT_EQ(warp_max<4>(static_cast<float>(lane)), static_cast<float>(lane / 4 * 4 + 3));
    });
  }
}

TEST(AsynchronousCopy, IsSeenAfterItsWaitAndNotBefore) {
  const std::vector<std::uint32_t> from = {1, 2, 3, 4};
  run(0, 1, 32, [&] {
    auto* const to = &shared_memory<std::uint32_t>();
    copy_async(to, from.data(), 16);
    commit_copies();
    copy_async(to + 4, from.data(), 8);
    commit_copies();
    wait_copies<2>();
    EXPECT_EQ(to[0], 0xFFFFFFFFU);
    wait_copies<1>();
    EXPECT_EQ((std::vector<std::uint32_t>(to, to + 4)), from);
    EXPECT_EQ(to[4], 0xFFFFFFFFU);
    wait_copies<0>();
    EXPECT_EQ((std::vector<std::uint32_t>(to + 4, to + 8)), (std::vector<std::uint32_t>{1, 2, 0, 0}));
  });
  EXPECT_EQ(failure(1, 32, [&] { copy_async(&shared_memory<std::uint32_t>() + 1, from.data(), 16); }),
            "an asynchronous copy that is not aligned to 16 bytes");
}

using SmallMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A and B as PTX lays them out, from matrices of small integers; `encode` makes the bits of one element.
template <class Sum, class Encode>
void check_mma(int depth, const Encode& encode,
               void (*multiply)(Sum (&)[4], const std::uint32_t (&)[4], const std::uint32_t (&)[2])) {
  std::mt19937 random(1);
  const auto small = [&] { return static_cast<float>(random() % 7) - 3; };
  const SmallMatrix a = SmallMatrix::NullaryExpr(16, depth, small), b = SmallMatrix::NullaryExpr(depth, 8, small);
  const SmallMatrix c = SmallMatrix::NullaryExpr(16, 8, small), expected = a * b + c;
  const int per_word = depth / 8, bits = 32 / per_word;
  const auto word = [&](const auto& element) {
    std::uint32_t result = 0;
    for (int i = 0; i < per_word; ++i) {
      result |= encode(element(i)) << (i * bits);
    }
    return result;
  };
  run(3, 32, 0, [&] {
    const int g = lane_index() / 4, t = lane_index() % 4;
    std::uint32_t af[4], bf[2];
    Sum cf[4];
    for (int i = 0; i < 4; ++i) {
      af[i] = word([&](int e) { return a(g + i % 2 * 8, (t + i / 2 * 4) * per_word + e); });
      cf[i] = static_cast<Sum>(c(g + i / 2 * 8, 2 * t + i % 2));
    }
    for (int i = 0; i < 2; ++i) {
      bf[i] = word([&](int e) { return b((t + i * 4) * per_word + e, g); });
    }
    multiply(cf, af, bf);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(static_cast<float>(cf[i]), expected(g + i / 2 * 8, 2 * t + i % 2));
    }
  });
}

TEST(Mma, MultipliesInEveryFormat) {
  check_mma<float>(
      16, [](float x) { return std::uint32_t{to_bf16(x).bits}; }, mma_bf16);
  check_mma<float>(
      16,
      [](float x) {  // integers up to 3 are exact: drop the bits, move the exponent
        const std::uint32_t bits = bits_of(x * 0x1p-112F);
        return (bits >> 16 & 0x8000U) | (bits >> 13 & 0x7FFFU);
      },
      mma_fp16);
  check_mma<float>(
      32, [](float x) { return std::uint32_t{to_fp8_by_bits(x).bits}; }, mma_fp8);
  check_mma<std::int32_t>(
      32, [](float x) { return static_cast<std::uint32_t>(static_cast<int>(x)) & 0xFFU; }, mma_int8);
}

TEST(LoadMatrices, GivesFragmentsOfFourMatrices) {
  run(2, 32, 4 * 64 * 2, [] {
    auto* const elements = &shared_memory<std::uint16_t>();  // matrix i, row r, column c: 64 i + 8 r + c
    for (int i = lane_index(); i < 256; i += 32) {
      elements[i] = static_cast<std::uint16_t>(i);
    }
    __syncwarp();
    std::uint32_t plain[4], transposed[4];
    load_matrices(plain, elements + lane_index() * 8);
    load_matrices_transposed(transposed, elements + lane_index() * 8);
    const int g = lane_index() / 4, t = lane_index() % 4;
    for (int i = 0; i < 4; ++i) {
      const int first = 64 * i + 8 * g + 2 * t, column = 64 * i + 8 * 2 * t + g;
      EXPECT_EQ(plain[i], static_cast<std::uint32_t>(first | (first + 1) << 16));
      EXPECT_EQ(transposed[i], static_cast<std::uint32_t>(column | (column + 8) << 16));
    }
  });
}

}  // namespace
}  // namespace moesaic::cuda
