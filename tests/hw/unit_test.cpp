#include "hw/machine.hpp"

#include <gtest/gtest.h>

#include "tests/hw/every_machine.hpp"

namespace moesaic {
namespace {

using enum DType;

Unit unit_with(std::initializer_list<DType> formats) {
  Unit unit;
  for (const DType dtype : formats) {
    unit.peak[static_cast<std::size_t>(dtype)] = {1e12};
  }
  return unit;
}

struct Case {
  std::initializer_list<DType> formats;
  DType wanted;
  DType expected;
};

TEST(UnitArithmetic, PrefersTheFormatThenWiderThenNarrower) {
  const Case cases[] = {
      {{bf16, fp8, fp4}, fp4, fp4}, {{bf16, fp8}, fp4, fp8},    {{bf16, fp6}, fp4, fp6},    {{bf16, fp32}, fp8, bf16},
      {{fp16, fp32}, bf16, fp16},   {{bf16, fp32}, fp16, bf16}, {{tf32, fp32}, fp16, tf32}, {{fp32}, bf16, fp32},
      {{fp32, int8}, fp8, fp32},    {{fp32, fp64}, tf32, fp32}, {{int8, bf16}, int4, int8}, {{bf16, fp32}, int4, bf16},
      {{fp16, fp32}, int8, fp16},   {{bf16, fp8}, int8, bf16},  {{bf16, fp8}, fp32, bf16},  {{fp8, fp4}, fp64, fp8},
      {{int8}, bf16, int8},         {{fp4}, int8, fp4},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(name(unit_with(c.formats).arithmetic(c.wanted)), name(c.expected)) << "wanted " << name(c.wanted);
  }
}

TEST(UnitArithmetic, EveryShippedUnitComputesEveryFormat) {
  for (const std::string& machine : every_machine()) {
    for (const Unit& unit : machine_named(machine).device.units) {
      for (std::size_t i = 0; i < kDTypeCount; ++i) {
        EXPECT_GT(peak(unit, unit.arithmetic(static_cast<DType>(i))).value, 0) << machine << " " << unit.name;
      }
    }
  }
}

TEST(UnitArithmeticDeathTest, AUnitWithoutRatesIsABug) { EXPECT_DEATH(Unit{}.arithmetic(bf16), "any"); }

}  // namespace
}  // namespace moesaic
