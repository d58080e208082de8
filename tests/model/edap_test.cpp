// Energy x delay x area of units, by closed forms.
#include "model/edap.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "hw/machine.hpp"

namespace moesaic {
namespace {

Unit unit_of(double bandwidth, double peak, double per_byte, double per_flop, double area) {
  Unit unit;
  unit.peak[static_cast<std::size_t>(DType::fp16)] = {peak};
  unit.memory_bandwidth = {bandwidth};
  unit.energy = UnitEnergy{{per_byte}, {per_flop}};
  unit.area.buffer = {area};
  return unit;
}

Memory memory_of(double area) {
  Memory memory;
  memory.area.dram = {area};
  return memory;
}

// A byte at 2 B/s takes 0.5 s, 6 operations at 3 FLOP/s take 2 s. 5 J/B + 6 x 7 J/FLOP = 47 J. 11 m2 and 13 m2 around.
TEST(Edap, ByHand) {
  const Unit unit = unit_of(2, 3, 5, 7, 11);
  const Memory memory = memory_of(13);
  const Edap point = edap(unit, memory, FlopsPerByte{6}, CountedArea::memory);
  EXPECT_DOUBLE_EQ(point.energy.value, 47);
  EXPECT_DOUBLE_EQ(point.delay.value, 2);
  EXPECT_DOUBLE_EQ(point.area.value, 24);
  EXPECT_DOUBLE_EQ(point.product(), 47 * 2 * 24);
  EXPECT_DOUBLE_EQ(edap(unit, memory, FlopsPerByte{1}, CountedArea::unit).product(), 12 * 0.5 * 11);
}

RC_GTEST_PROP(Edap, MoreWorkIsNeverBetterAndABetterUnitNeverWorse, ()) {
  const auto some = [] { return *rc::gen::inRange(1, 1000) * 0.01; };
  const Unit unit = unit_of(some(), some(), some(), some(), some());
  const Memory memory = memory_of(some());
  const FlopsPerByte intensity{some()};
  for (const CountedArea counted : {CountedArea::memory, CountedArea::unit}) {
    const double here = edap(unit, memory, intensity, counted).product();
    RC_ASSERT(edap(unit, memory, FlopsPerByte{intensity.value * 2}, counted).product() > here);
    Unit faster = unit;
    faster.memory_bandwidth = unit.memory_bandwidth * 2;
    RC_ASSERT(edap(faster, memory, intensity, counted).product() <= here);
    Unit larger = unit;
    larger.area.processor = {some()};
    RC_ASSERT(edap(larger, memory, intensity, counted).product() > here);
  }
}

TEST(Edap, WhatIsMissing) {
  Unit unit = unit_of(1, 1, 1, 1, 1);
  EXPECT_EQ(missing_for_edap(unit, memory_of(1), CountedArea::memory), "");
  EXPECT_EQ(missing_for_edap(unit, {}, CountedArea::memory), "memory.area");
  EXPECT_EQ(missing_for_edap(unit, {}, CountedArea::unit), "");
  unit.energy.reset();
  EXPECT_EQ(missing_for_edap(unit, memory_of(1), CountedArea::memory), "energy");
  unit.area = {};
  EXPECT_EQ(missing_for_edap(unit, memory_of(1), CountedArea::memory), "area");
}

// What Duplex prints of its own unit (section VII-E): 17.80 mm2 a stack, 14.71% of a die of 121 mm2; its parts are
// 10.89 + 3.02 + 2.26 + 1.64. Within the last digit of the percentage.
TEST(Edap, AreaOfLogicPim) {
  const Machine machine = read_machine(load_machine_config("duplex"));
  constexpr double kStacks = 5, kDie = 121e-6;
  const Unit& pim = machine.device.units[1];
  EXPECT_NEAR(pim.area.total().value / kStacks / kDie, 0.1471, 5e-5);
  EXPECT_NEAR(pim.area.total().value / kStacks, (10.89 + 3.02 + 2.26 + 1.64) * 1e-6, 0.011e-6);
  EXPECT_DOUBLE_EQ(machine.device.memory.area.total().value, kStacks * 9 * kDie);
}

}  // namespace
}  // namespace moesaic
