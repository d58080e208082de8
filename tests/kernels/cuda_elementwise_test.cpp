// Normalisation, activation, rotary embedding and quantisation agree with their definitions in double precision.
#include "kernels/cuda/elementwise.cuh"

#include "tests/kernels/cuda_test.hpp"

namespace moesaic::cuda {
namespace {

TEST(RmsNorm, AgreesWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const int rows = random.integer(1, 3), width = seed == 0 ? 8 : 8 * random.integer(1, 700);
    const std::vector<Bf16> x = random.bf16(product(rows, width)), weight = random.bf16(product(1, width));
    auto out = poisoned<Bf16>(x.size());
    ASSERT_TRUE(run(seed, RmsNormWork{.rows = rows,
                                      .width = width,
                                      .epsilon = 0.01F,
                                      .x = x.data(),
                                      .weight = weight.data(),
                                      .out = out.data()})
                    .ok());
    std::vector<double> expected;
    for (int row = 0; row < rows; ++row) {
      const Bf16* first = x.data() + product(row, width);
      double squares = 0;
      for (int i = 0; i < width; ++i) {
        squares += to_double(first[i]) * to_double(first[i]);
      }
      for (int i = 0; i < width; ++i) {
        expected.push_back(to_double(first[i]) / std::sqrt(squares / width + 0.01F) *
                           to_double(weight[static_cast<std::size_t>(i)]));
      }
    }
    expect_close(out, expected, kBf16Tolerance);
  }
  EXPECT_FALSE(run(0, RmsNormWork{.width = 12}).ok());
  EXPECT_FALSE(run(0, RmsNormWork{.width = 80000}).ok());
}

TEST(SiluMul, AgreesWithTheDefinition) {
  Random random(1);
  for (const int width : {8, 1400, 2056, 4096}) {
    const int rows = 3;
    std::vector<Bf16> x(product(rows, 2 * width));
    for (Bf16& value : x) {
      value = to_bf16(random.number(-12, 12));
    }
    x[0] = to_bf16(-300);  // whose exponential overflows
    auto out = poisoned<Bf16>(product(rows, width));
    ASSERT_TRUE(run(0, SiluMulWork{.rows = rows, .width = width, .x = x.data(), .out = out.data()}).ok());
    std::vector<double> expected;
    for (int row = 0; row < rows; ++row) {
      for (int i = 0; i < width; ++i) {
        const double gate = to_double(x[product(2 * row, width) + static_cast<std::size_t>(i)]);
        expected.push_back(gate / (1 + std::exp(-gate)) *
                           to_double(x[product(2 * row + 1, width) + static_cast<std::size_t>(i)]));
      }
    }
    expect_close(out, expected, kBf16Tolerance);
  }
  EXPECT_FALSE(run(0, SiluMulWork{.width = 12}).ok());
}

void check_rotary(int tokens, int heads, int head_dim, float base, int seed) {
  Random random(static_cast<std::uint64_t>(seed));
  std::vector<Bf16> x = random.bf16(product(tokens * heads, head_dim));
  std::vector<std::int32_t> positions(static_cast<std::size_t>(tokens));
  for (std::int32_t& position : positions) {
    position = random.integer(0, 1000000);
  }
  positions[0] = 0;
  std::vector<double> expected(x.size());
  const auto half = static_cast<std::size_t>(head_dim / 2);
  for (std::size_t first = 0; first < x.size(); first += 2 * half) {
    const double position = positions[first / product(heads, head_dim)];
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = position * std::pow(double{base}, -2.0 * static_cast<double>(i) / head_dim);
      const double a = to_double(x[first + i]), b = to_double(x[first + half + i]);
      expected[first + i] = a * std::cos(angle) - b * std::sin(angle);
      expected[first + half + i] = b * std::cos(angle) + a * std::sin(angle);
    }
  }
  ASSERT_TRUE(run(seed, RotaryWork{.tokens = tokens,
                                   .heads = heads,
                                   .head_dim = head_dim,
                                   .base = base,
                                   .positions = positions.data(),
                                   .x = x.data()})
                  .ok());
  expect_close(x, expected, kBf16Tolerance);
}

TEST(Rotary, TurnsByTheExactAngleHoweverFarThePosition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_rotary(3, 1 + seed, 16 << seed % 5, seed % 2 == 0 ? 10000.0F : 5e6F, seed);
  }
  check_rotary(1, 70, 128, 10000, 1);
  check_rotary(2, 1, 48, 10000, 2);
  EXPECT_FALSE(run(0, RotaryWork{.head_dim = 24}).ok());
  EXPECT_FALSE(run(0, RotaryWork{.head_dim = 512}).ok());
}

TEST(Quantize, EveryElementIsTheNearestOfItsScale) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const int rows = random.integer(1, 9), width = 128 * random.integer(1, 5);
    std::vector<Bf16> x = random.bf16(product(rows, width));
    for (std::size_t block = 0; block < x.size() / 128; ++block) {
      const float size = block % 3 == 2 ? 0.0F : std::ldexp(1.0F, random.integer(-30, 30));
      for (std::size_t i = block * 128; i < (block + 1) * 128; ++i) {
        x[i] = to_bf16(to_float(x[i]) * size);
      }
    }
    auto out = poisoned<Fp8>(x.size());
    auto scales = poisoned<float>(x.size() / 128);
    ASSERT_TRUE(
        run(seed, QuantizeWork{.rows = rows, .width = width, .x = x.data(), .out = out.data(), .scales = scales.data()})
            .ok());
    for (std::size_t block = 0; block < scales.size(); ++block) {
      double greatest = 0;
      for (std::size_t i = block * 128; i < (block + 1) * 128; ++i) {
        greatest = std::max(greatest, std::abs(to_double(x[i])));
      }
      const double scale = greatest > 0 ? greatest / 448 : 1;
      ASSERT_NEAR(scales[block] / scale, 1, kFp32Tolerance);
      for (std::size_t i = block * 128; i < (block + 1) * 128; ++i) {
        const double wanted = to_double(x[i]) / scale;
        // Half a step of e4m3: 2^-4 of the power of two below, and 2^-10 below 2^-6.
        const double step = std::ldexp(1, std::max(std::abs(wanted) > 0 ? std::ilogb(wanted) : -6, -6) - 3);
        ASSERT_TRUE(std::abs(to_double(out[i]) - wanted) <= step / 2 * 1.0001) << i << ": " << wanted;
      }
    }
  }
  EXPECT_FALSE(run(0, QuantizeWork{.width = 64}).ok());
}

}  // namespace
}  // namespace moesaic::cuda
