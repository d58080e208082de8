// Products agree with those in double precision: few rows, and the experts of a routed batch.
#include <Eigen/Core>

#include "kernels/cuda/gemv.cuh"
#include "kernels/cuda/grouped_gemm.cuh"
#include "tests/kernels/cuda_test.hpp"

namespace moesaic::cuda {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
Matrix matrix(const std::vector<T>& values, Eigen::Index first_row, Eigen::Index rows, Eigen::Index columns) {
  return Matrix::NullaryExpr(rows, columns, [&](Eigen::Index row, Eigen::Index column) {
    return to_double(values.at(static_cast<std::size_t>((first_row + row) * columns + column)));
  });
}

std::vector<double> elements(const Matrix& matrix) { return {matrix.data(), matrix.data() + matrix.size()}; }

template <class T>
void check_gemv(DType dtype, const std::vector<T>& w, int m, int n, int k, int seed, Random& random) {
  const std::vector<Bf16> x = random.bf16(product(m, k));
  auto y = poisoned<Bf16>(product(m, n));
  const GemvWork work{.dtype = dtype, .m = m, .n = n, .k = k, .x = x.data(), .w = w.data(), .y = y.data()};
  ASSERT_TRUE(run(seed, work).ok());
  expect_close(y, elements(matrix(x, 0, m, k) * matrix(w, 0, n, k).transpose()), kBf16Tolerance);
}

TEST(Gemv, AgreesWithTheDefinition) {
  Random random(1);
  for (int seed = 0; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const int m = seed == 0 ? 8 : random.integer(1, 8), n = random.integer(1, 50), k = 16 * random.integer(1, 90);
    check_gemv(DType::bf16, random.bf16(product(n, k)), m, n, k, seed, random);
    check_gemv(DType::fp8, random.fp8(product(n, k)), m, n, k, seed, random);
  }
  check_gemv(DType::bf16, random.bf16(16), 1, 1, 16, 1, random);
  check_gemv(DType::fp8, random.fp8(16), 1, 1, 16, 1, random);
}

TEST(Gemv, RefusesWhatItCannotDo) {
  EXPECT_EQ(run(0, GemvWork{.m = 9, .k = 16}).text, "gemv: m must be 1 to 8, and k a multiple of 16");
  EXPECT_FALSE(run(0, GemvWork{.m = 1, .k = 24}).ok());
  EXPECT_EQ(run(0, GemvWork{.dtype = DType::int8, .k = 16}).text, "gemv: int8; known are bf16 and fp8");
}

void check_grouped(const std::vector<int>& rows_of_expert, int n, int k, bool gated, int seed) {
  SCOPED_TRACE(testing::Message() << "n " << n << " k " << k << " gated " << gated << " seed " << seed);
  Random random(static_cast<std::uint64_t>(seed + 7 * n + k));
  const int experts = static_cast<int>(rows_of_expert.size()), columns = gated ? 2 * n : n;
  std::vector<std::int32_t> offsets = {0};
  for (const int rows : rows_of_expert) {
    offsets.push_back(offsets.back() + rows);
  }
  const int rows = offsets.back();
  const std::vector<Bf16> x = random.bf16(product(rows, k)), w = random.bf16(product(experts * columns, k));
  auto y = poisoned<Bf16>(product(rows, n));
  ASSERT_TRUE(run(seed, GroupedGemmWork{.rows = rows,
                                        .n = n,
                                        .k = k,
                                        .experts = experts,
                                        .gated = gated,
                                        .offsets = offsets.data(),
                                        .x = x.data(),
                                        .w = w.data(),
                                        .y = y.data()})
                  .ok());
  std::vector<double> expected;
  for (int expert = 0; expert < experts; ++expert) {
    const auto e = static_cast<std::size_t>(expert);
    if (rows_of_expert[e] == 0) {
      continue;
    }
    Matrix z =
        matrix(x, offsets[e], rows_of_expert[e], k) * matrix(w, Eigen::Index{expert} * columns, columns, k).transpose();
    if (gated) {
      const auto gate = z.leftCols(n).array();
      z = (gate / (1 + (-gate).exp()) * z.rightCols(n).array()).matrix().eval();
    }
    expected.insert(expected.end(), z.data(), z.data() + z.size());
  }
  expect_close(y, expected, kBf16Tolerance);
}

// Tiles of 16, 64 and 128 rows are taken at up to 16, up to 64 and more rows per expert on average.
TEST(GroupedGemm, SmallTilesAgreeWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_grouped({1, 0, 17, 3, 0}, 40, 336, seed % 2 == 1, seed);  // more steps along k than the ring has stages
  }
  check_grouped({0, 0, 1}, 1, 16, false, 0);  // one token
  check_grouped({0, 0, 1}, 1, 16, true, 0);
  check_grouped({2, 5}, 131, 80, false, 0);  // odd, and more than one tile of columns
  check_grouped({2, 5}, 67, 80, true, 0);
}

TEST(GroupedGemm, MiddleTilesAgreeWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_grouped({70, 0, 1}, 24, 80, seed % 2 == 1, seed);
  }
  check_grouped({100, 28}, 129, 400, false, 1);
}

TEST(GroupedGemm, LargeTilesAgreeWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_grouped({131, 0, 129}, 17, 48, seed % 2 == 1, seed);
  }
  check_grouped({200, 190}, 130, 272, false, 1);
}

TEST(GroupedGemm, EveryExpertMayHaveRowsLeftOver) {
  check_grouped(std::vector<int>(40, 1), 16, 32, false, 3);
  std::vector<int> uneven(300, 0);  // more experts than a block has threads
  uneven[3] = 18;
  uneven[299] = 1;
  check_grouped(uneven, 9, 16, true, 4);
}

TEST(GroupedGemm, RandomBatchesAgreeWithTheDefinition) {
  Random random(7);
  for (int i = 1; i <= 16; ++i) {
    std::vector<int> rows(static_cast<std::size_t>(random.integer(1, 12)));
    for (int& count : rows) {
      count = random.integer(0, 1) * random.integer(0, i % 4 == 0 ? 300 : 40);
    }
    rows[0] = 1 + random.integer(0, 20);
    check_grouped(rows, random.integer(1, 150), 16 * random.integer(1, 20), i % 2 == 0, i);
  }
}

TEST(GroupedGemm, RefusesWhatItCannotDo) {
  EXPECT_FALSE(run(0, GroupedGemmWork{.rows = 1, .n = 8, .k = 8}).ok());
  EXPECT_EQ(run(0, GroupedGemmWork{.dtype = DType::fp8, .rows = 1, .k = 16}).text, "grouped GEMM: fp8; known is bf16");
}

}  // namespace
}  // namespace moesaic::cuda
