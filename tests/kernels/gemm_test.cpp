// Every source of products agrees with the sum that defines a product.
#include "kernels/cpu/gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace moesaic::cpu {
namespace {

void expect_product(const GemmKernel& kernel, const GemmProblem& problem, int m, double tolerance) {
  const std::vector<float> y = kernel.output();
  ASSERT_EQ(y.size(), static_cast<std::size_t>(m * problem.n));
  for (int row = 0; row < m; ++row) {
    for (int column = 0; column < problem.n; ++column) {
      double sum = 0;
      for (int i = 0; i < problem.k; ++i) {
        sum += double{gemm_input(problem, row, i)} * double{gemm_weight(problem, kernel.copy(), column, i)};
      }
      const double found = y[static_cast<std::size_t>(row * problem.n + column)];
      ASSERT_NEAR(found, sum, tolerance * std::abs(sum)) << "row " << row << " column " << column;
    }
  }
}

TEST(Gemm, EveryLibraryAndFormatIsRight) {
  // Elements are whole numbers up to 3 and sums stay below 2^24: exact but for a result that is stored as bf16, which
  // has 8 significant bits. Sizes are no multiples of any block.
  const Threads threads(2);
  for (const GemmLibrary& library : gemm_libraries()) {
    for (const DType dtype : library.formats) {
      const GemmProblem problem{.n = 67, .k = 405, .most_m = 71, .copies = 2};
      const auto kernel = library.make(dtype, problem, threads);
      for (const int m : {1, 2, 5, 71}) {
        SCOPED_TRACE(library.name + " " + std::string(name(dtype)) + " m=" + std::to_string(m));
        kernel->prepare(m);
        for (int run = 0; run < 2; ++run) {
          kernel->run();
          expect_product(*kernel, problem, m, dtype == DType::bf16 ? 1 / 256.0 : 0);
        }
      }
    }
  }
}

TEST(Gemm, CopiesOfTheWeightsAreUsedInTurn) {
  const Threads threads(1);
  for (const GemmLibrary& library : gemm_libraries()) {
    const auto kernel = library.make(library.formats.front(), {.n = 4, .k = 8, .most_m = 2, .copies = 3}, threads);
    kernel->prepare(2);
    for (int run = 0; run < 7; ++run) {
      kernel->run();
      EXPECT_EQ(kernel->copy(), run % 3) << library.name;
    }
  }
}

TEST(Gemm, OurOwnLoopIsAlwaysThere) {
  const std::vector<GemmLibrary> libraries = gemm_libraries();
  ASSERT_FALSE(libraries.empty());
  EXPECT_EQ(libraries.back().name, "own-blocked");
  EXPECT_EQ(libraries.back().formats.size(), 3U);
}

}  // namespace
}  // namespace moesaic::cpu
