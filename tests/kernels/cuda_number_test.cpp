// bf16 and fp8 hold what their definitions say: all codes, and rounding to the nearest with ties to even.
#include "kernels/cuda/number.cuh"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/kernels/cuda_test.hpp"

namespace moesaic::cuda {
namespace {

Bf16 bf16_code(unsigned code) { return {static_cast<std::uint16_t>(code)}; }
Fp8 fp8_code(unsigned code) { return {static_cast<std::uint8_t>(code)}; }

/// By the definition of e4m3: bias 7, subnormals, no infinities.
double fp8_value(unsigned code) {
  const int exponent = static_cast<int>(code >> 3 & 15U), mantissa = static_cast<int>(code & 7U);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return (code & 0x80U) != 0 ? -magnitude : magnitude;
}

TEST(Bf16, EveryCodeIsReadAndWritten) {
  for (unsigned code = 0; code < 0x10000U; ++code) {
    const float value = to_float(bf16_code(code));
    if ((code & 0x7F80U) == 0x7F80U && (code & 0x7FU) != 0) {
      EXPECT_TRUE(std::isnan(value)) << code;
      EXPECT_TRUE(std::isnan(to_float(to_bf16(value)))) << code;
    } else {
      EXPECT_EQ(to_bf16(value).bits, code);
    }
  }
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  for (unsigned code = 0; code < 0x7F7FU; ++code) {  // up to the greatest finite one
    const float low = to_float(bf16_code(code)), high = to_float(bf16_code(code + 1));
    const float middle = low + (high - low) / 2;
    EXPECT_EQ(to_bf16(middle).bits, code + code % 2) << code;
    EXPECT_EQ(to_bf16(std::nextafter(middle, low)).bits, code) << code;
    EXPECT_EQ(to_bf16(std::nextafter(middle, high)).bits, code + 1) << code;
    EXPECT_EQ(to_bf16(-middle).bits, 0x8000U + code + code % 2) << code;
  }
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()).bits, 0x7F80U);
  EXPECT_EQ(pack_bf16(1.0F, -2.0F), 0xC0003F80U);
}

TEST(Fp8, EveryCodeIsReadAndWritten) {
  for (unsigned code = 0; code < 256; ++code) {
    const float value = to_float(fp8_code(code));
    if ((code & 0x7FU) == 0x7FU) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(to_float(to_fp8_by_bits(value))));
    } else {
      EXPECT_EQ(value, fp8_value(code)) << code;
      EXPECT_EQ(to_fp8_by_bits(value).bits, code);
    }
  }
  EXPECT_EQ(pack_fp8(1.0F, -2.0F), 0xC038U);
}

TEST(Fp8, RoundsToTheNearestAndTiesToEven) {
  for (unsigned code = 0; code < 0x7EU; ++code) {
    const float low = to_float(fp8_code(code)), high = to_float(fp8_code(code + 1)), middle = (low + high) / 2;
    EXPECT_EQ(to_fp8_by_bits(middle).bits, code + code % 2) << code;
    EXPECT_EQ(to_fp8_by_bits(std::nextafter(middle, low)).bits, code) << code;
    EXPECT_EQ(to_fp8_by_bits(std::nextafter(middle, high)).bits, code + 1) << code;
    EXPECT_EQ(to_fp8_by_bits(-middle).bits, 0x80U + code + code % 2) << code;
  }
}

TEST(Fp8, Saturates) {
  for (const float large : {448.5F, 463.9F, 464.0F, 500.0F, 1e30F, std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(to_float(to_fp8_by_bits(large)), 448) << large;
    EXPECT_EQ(to_float(to_fp8_by_bits(-large)), -448) << large;
  }
}

TEST(Fp8, BecomesBf16Exactly) {
  for (unsigned code = 0; code < 256; ++code) {
    if ((code & 0x7FU) != 0x7FU) {
      const std::uint32_t pair = fp8_pair_to_bf16(code | (code ^ 0x80U) << 8);
      EXPECT_EQ(low_float(pair), fp8_value(code)) << code;
      EXPECT_EQ(high_float(pair), -fp8_value(code)) << code;
    }
  }
}

TEST(SelectBytes, TakesThemByNumber) {
  EXPECT_EQ(select_bytes(0x33221100U, 0x77665544U, 0x5410U), 0x55441100U);
  EXPECT_EQ(select_bytes(0x33221100U, 0x77665544U, 0x7632U), 0x77663322U);
  EXPECT_EQ(select_bytes(0x33221100U, 0x77665544U, 0x0062U), 0x00006622U);
}

TEST(Comparison, IsByRowAndNaNNeverPasses) {
  expect_close(std::vector<float>{1.005F, 0.009F}, {1, 0}, 0.02);
  EXPECT_FATAL_FAILURE(expect_close(std::vector<float>{1.005F, 0.009F}, {1, 0}, 0.02, 1), "element 1");
  EXPECT_FATAL_FAILURE(expect_close(std::vector<float>{1.03F, 0}, {1, 0}, 0.02), "element 0");
  EXPECT_FATAL_FAILURE(expect_close(poisoned<float>(1), {1}, 1e9), "element 0");
  EXPECT_FATAL_FAILURE(expect_close(poisoned<Bf16>(1), {1}, 1e9), "element 0");
  EXPECT_FATAL_FAILURE(expect_close(poisoned<Fp8>(1), {1}, 1e9), "element 0");
}

}  // namespace
}  // namespace moesaic::cuda
