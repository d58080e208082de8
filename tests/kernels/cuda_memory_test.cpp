// The streams touch every byte once, the chase follows its chain, and the roofs issue all the products that they count.
#include "kernels/cuda/memory.cuh"

#include <numeric>

#include "kernels/cuda/compute_roof.cuh"
#include "tests/kernels/cuda_test.hpp"

namespace moesaic::cuda {
namespace {

constexpr int kUnits[] = {1, 31, 512, 1024, 5000, 9217};  ///< of 16 bytes; two blocks take 8192 at once

TEST(StreamKernels, ReadFindsAnyElement) {
  for (const int units : kUnits) {
    std::vector<std::uint32_t> a(static_cast<std::size_t>(units) * 4, 0);
    for (const int where : {0, units * 2, units * 4 - 1}) {
      auto sink = poisoned<std::uint32_t>(4);
      const StreamWork work{
          .stream = Stream::read, .a = a.data(), .sink = sink.data(), .bytes = a.size() * 4, .blocks = 2};
      ASSERT_TRUE(run(0, work).ok());
      EXPECT_EQ(sink[0], 0xFFFFFFFFU);
      a[static_cast<std::size_t>(where)] = kNowhere;
      ASSERT_TRUE(run(0, work).ok());
      EXPECT_EQ(sink[0], kNowhere) << where << " of " << a.size();
      a[static_cast<std::size_t>(where)] = 0;
    }
  }
}

TEST(StreamKernels, WriteCopyAndTriadFillTheWholeArray) {
  for (const int units : kUnits) {
    Random random(static_cast<std::uint64_t>(units));
    const auto size = static_cast<std::size_t>(units) * 4;
    std::vector<float> b(size), c(size), sums(size);
    for (std::size_t i = 0; i < size; ++i) {
      b[i] = random.number();
      c[i] = random.number();
      sums[i] = b[i] + kTriadFactor * c[i];
    }
    for (const auto& [stream, expected] : {std::pair(Stream::write, std::vector<float>(size, 1)),
                                           std::pair(Stream::copy, b), std::pair(Stream::triad, sums)}) {
      auto a = poisoned<float>(size);
      const StreamWork work{
          .stream = stream, .a = a.data(), .b = b.data(), .c = c.data(), .bytes = size * 4, .blocks = 2};
      ASSERT_TRUE(run(0, work).ok());
      EXPECT_EQ(a, expected);
    }
  }
  EXPECT_FALSE(run(0, StreamWork{.bytes = 24}).ok());
}

TEST(Chase, FollowsACycle) {
  std::vector<std::uint32_t> order(101), next(101);
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin() + 1, order.end(), std::mt19937(1));
  for (std::size_t i = 0; i < order.size(); ++i) {
    next[order[i]] = order[(i + 1) % order.size()];
  }
  for (const std::uint32_t steps : {0U, 1U, 15U, 16U, 33U, 101U, 205U}) {
    std::uint32_t out = ~0U;
    ASSERT_TRUE(run(0, ChaseWork{.next = next.data(), .steps = steps, .out = &out}).ok());
    EXPECT_EQ(out, order[steps % 101]);
  }
  EXPECT_TRUE(run(0, EmptyWork{}).ok());
}

#if !defined(MOESAIC_TEST_ON_GPU)  // there it may be wgmma, whose operands lie elsewhere
/// The sum of what a thread of a warp holds after one step of 32 bytes along k, from the fragments of all lanes.
template <Format format>
double expected_sum(unsigned warp, unsigned lane, int depth, double (*decode)(std::uint32_t, unsigned)) {
  const int per_word = depth / 8;
  double sum = 0;
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned j = 0; j < 8; ++j) {
      for (unsigned c = 0; c < 4; ++c) {
        const unsigned row = lane / 4, column = lane % 4 * 2 + c % 2;
        for (unsigned word = 0; word < 8; ++word) {
          const std::uint32_t a = operand<format>((warp * 32 + row * 4 + word % 4) * 32 + i * 4 + c / 2 + word / 4 * 2);
          const std::uint32_t b = operand<format>((warp * 32 + column * 4 + word % 4) * 32 + 16 + j * 2 + word / 4);
          for (int e = 0; e < per_word; ++e) {
            sum += decode(a, static_cast<unsigned>(e)) * decode(b, static_cast<unsigned>(e));
          }
        }
      }
    }
  }
  return sum;
}

template <Format format>
void check_issue(DType dtype, int depth, double (*decode)(std::uint32_t, unsigned)) {
  constexpr int kLoops = 2;
  auto out = poisoned<float>(2 * 128);
  const TensorIssueWork work{.dtype = dtype, .loops = kLoops, .blocks = 2, .out = out.data()};
  ASSERT_TRUE(run(0, work).ok());
  std::vector<double> expected;
  for (unsigned thread = 0; thread < 256; ++thread) {
    expected.push_back(kLoops * 4 * expected_sum<format>(thread % 128 / 32, thread % 32, depth, decode));
  }
  expect_close(out, expected, kFp32Tolerance);
}

TEST(TensorIssue, AddsTheProductsOfItsRounds) {
  check_issue<Format::bf16>(DType::bf16, 16,
                            [](std::uint32_t word, unsigned i) { return double{low_float(word >> 16 * i)}; });
  check_issue<Format::fp16>(
      DType::fp16, 16, [](std::uint32_t word, unsigned i) { return double{on_cpu::half_to_float(word >> 16 * i)}; });
  check_issue<Format::fp8>(DType::fp8, 32, [](std::uint32_t word, unsigned i) {
    return double{to_float(Fp8{static_cast<std::uint8_t>(word >> 8 * i)})};
  });
  check_issue<Format::int8>(DType::int8, 32, [](std::uint32_t word, unsigned i) {
    return double{static_cast<float>(static_cast<std::int8_t>(word >> 8 * i))};
  });
}

/// A launcher whose kernels were compiled for another capability, and that must not launch.
template <int capability>
struct Other {
  template <class... Parameters, class... Arguments>
  Status operator()(const Grid&, void (*)(Parameters...), Arguments...) const {
    ADD_FAILURE() << "launched";
    return {};
  }
  template <class... Parameters>
  static int architecture(void (*)(Parameters...)) {
    return capability;
  }
};

TEST(TensorIssue, RefusesFormatsThatThereAreNoInstructionsFor) {
  EXPECT_EQ(launch(Other<80>{}, TensorIssueWork{.dtype = DType::fp8}).text,
            "tensor issue: fp8 needs compute capability 8.9, and kernels compiled for it");
  EXPECT_EQ(launch(Other<80>{}, TensorIssueWork{.dtype = DType::fp4}).text,
            "tensor issue: fp4; known are fp16, bf16, fp8 and int8");
  EXPECT_EQ(launch(Other<100>{}, TensorIssueWork{.dtype = DType::bf16}).text,
            "tensor issue: compute capability 10 needs tcgen05; its roof is the library's GEMM");
}
#endif

TEST(FmaIssue, RunsItsChains) {
  for (const int loops : {0, 1, 3}) {
    auto out = poisoned<float>(2 * 256);
    ASSERT_TRUE(run(0, FmaIssueWork{.loops = loops, .blocks = 2, .out = out.data()}).ok());
    std::vector<double> expected;
    for (int thread = 0; thread < 512; ++thread) {
      double sum = 0;
      for (int chain = 0; chain < kFmaChains; ++chain) {
        double x = thread % 256 + chain;
        for (int i = 0; i < loops * kFmaLinks; ++i) {
          x = x * 0.5 + 1;
        }
        sum += x;
      }
      expected.push_back(sum);
    }
    expect_close(out, expected, kFp32Tolerance);
  }
}

}  // namespace
}  // namespace moesaic::cuda
