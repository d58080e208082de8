// What the tests of CUDA kernels share: buffers of exactly their size, filled with NaN before a kernel writes them, and
// comparison with references in double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/cuda/number.cuh"
#if defined(MOESAIC_TEST_ON_GPU)
#include "tests/kernels/cuda_gpu.hpp"
#else
#include "tests/kernels/shim/launch.hpp"
#endif

namespace moesaic::cuda {

inline constexpr int kSeeds = 8;  ///< adversarial schedules of kernels with barriers, besides the fair one
inline constexpr double kBf16Tolerance = 1e-2, kFp32Tolerance = 1e-5;

/// Runs a work to its end: on the CPU under the schedule of the seed, or on the GPU, which has its own.
#if defined(MOESAIC_TEST_ON_GPU)
inline Status run(int, const Work& work) {
  const Status status = launch(work, nullptr);
  return status.ok() ? synchronize() : status;
}
#else
template <class OneWork>
Status run(int seed, const OneWork& work) {
  return launch(shim::Launcher{.options = {.seed = static_cast<std::uint64_t>(seed)}}, work);
}
#endif

inline std::size_t product(std::initializer_list<int> factors) {
  return std::accumulate(factors.begin(), factors.end(), std::size_t{1},
                         [](std::size_t all, int one) { return all * static_cast<std::size_t>(one); });
}
inline std::size_t product(int a, int b) { return product({a, b}); }

/// On the heap and exactly this large, so that AddressSanitizer sees an access outside.
template <class T>
std::vector<T> poisoned(std::size_t size) {
  std::vector<T> buffer(size);
  std::memset(static_cast<void*>(buffer.data()), 0xFF, size * sizeof(T));
  return buffer;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  int integer(int least, int most) { return std::uniform_int_distribution<int>(least, most)(engine_); }
  float number(float least = -1, float most = 1) { return std::uniform_real_distribution<float>(least, most)(engine_); }
  std::vector<Bf16> bf16(std::size_t size) {
    std::vector<Bf16> values(size);
    for (Bf16& value : values) {
      value = to_bf16(number());
    }
    return values;
  }
  std::vector<Fp8> fp8(std::size_t size) {
    std::vector<Fp8> values(size);
    for (Fp8& value : values) {
      value = to_fp8_by_bits(number());
    }
    return values;
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  std::mt19937_64 engine_;
};

inline double to_double(float value) { return value; }
inline double to_double(Bf16 value) { return to_float(value); }
inline double to_double(Fp8 value) { return to_float(value); }

/// Each element is off by at most `tolerance` of itself, or of the root mean square of its row where it is less: sums
/// that cancel out are as exact as what was added. A row of 0: all elements together.
template <class T>
void expect_close(const std::vector<T>& actual, const std::vector<double>& expected, double tolerance, int row = 0) {
  ASSERT_EQ(actual.size(), expected.size());
  const std::size_t size = row == 0 ? expected.size() : static_cast<std::size_t>(row);
  for (std::size_t first = 0; first < expected.size(); first += size) {
    double squares = 0;
    for (std::size_t i = first; i < first + size; ++i) {
      ASSERT_TRUE(std::isfinite(expected[i]));
      squares += expected[i] * expected[i];
    }
    const double typical = std::sqrt(squares / static_cast<double>(size));
    for (std::size_t i = first; i < first + size; ++i) {
      const double error = std::abs(to_double(actual[i]) - expected[i]);
      // Written so that NaN fails.
      ASSERT_TRUE(error <= tolerance * std::max(std::abs(expected[i]), typical))
          << "element " << i << ": " << to_double(actual[i]) << ", expected " << expected[i];
    }
  }
}

/// A paged cache: pages of all sequences in random order, as in a server that has run for a while.
struct Paged {
  Paged(const std::vector<int>& lengths, int tokens_per_page, Random& random)
      : contexts(lengths.begin(), lengths.end()), page_tokens(tokens_per_page) {
    const int longest = *std::max_element(lengths.begin(), lengths.end());
    pages_per_sequence = (longest + page_tokens - 1) / page_tokens;
    pages = pages_per_sequence * static_cast<int>(lengths.size());
    table.resize(static_cast<std::size_t>(pages));
    for (std::size_t i = 0; i < table.size(); ++i) {
      table[i] = static_cast<std::int32_t>(i);
    }
    std::shuffle(table.begin(), table.end(), random.engine());
  }
  std::size_t row(int sequence, int token) const {
    const auto entry = static_cast<std::size_t>(sequence * pages_per_sequence + token / page_tokens);
    return static_cast<std::size_t>(table[entry] * page_tokens + token % page_tokens);
  }
  std::size_t rows() const { return static_cast<std::size_t>(pages) * static_cast<std::size_t>(page_tokens); }

  std::vector<std::int32_t> table, contexts;
  int page_tokens = 1, pages_per_sequence = 1, pages = 1;
};

}  // namespace moesaic::cuda
