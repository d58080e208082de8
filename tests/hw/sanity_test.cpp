// Every shipped machine is physically plausible. These bounds catch a slipped unit or a sparse figure, not a typing
// error in the last digit.
#include "tests/hw/every_machine.hpp"

namespace moesaic {
namespace {

class SanityTest : public testing::TestWithParam<std::string> {
 protected:
  const Machine machine_ = machine_named(GetParam());
};

// The rate of 16-bit tensor arithmetic.
double half_rate(const Unit& unit) { return std::max(peak(unit, DType::bf16).value, peak(unit, DType::fp16).value); }

TEST_P(SanityTest, NarrowerFormatsAreNotSlower) {
  const DType order[] = {DType::fp64, DType::fp32, DType::tf32, DType::bf16, DType::fp8, DType::fp6, DType::fp4};
  for (const Unit& unit : machine_.device.units) {
    double widest = 0;
    for (const DType dtype : order) {
      const double rate = peak(unit, dtype).value;
      EXPECT_TRUE(rate == 0 || rate >= widest) << name(dtype);
      widest = std::max(widest, rate);
    }
    // Half the width gives twice the rate; sparsity would double it again. Vendors round each format for itself.
    EXPECT_LE(peak(unit, DType::fp8).value, 2.03 * half_rate(unit));
    EXPECT_LE(peak(unit, DType::fp4).value, 8.03 * half_rate(unit));
    EXPECT_LE(peak(unit, DType::int8).value, 4.03 * half_rate(unit));
  }
}

TEST_P(SanityTest, MemoryAndRidgePoint) {
  const Device& device = machine_.device;
  EXPECT_GE(device.memory.bandwidth.value, 100e9);
  EXPECT_LE(device.memory.bandwidth.value, 20e12);
  EXPECT_GE(device.memory.capacity.value, 14e9);
  EXPECT_LE(device.memory.capacity.value, 320e9);
  if (device.name == "cent") {
    return;  // units in banks compute once with every byte
  }
  const double ridge = half_rate(device.units.front()) / device.units.front().memory_bandwidth.value;  // FLOP/B
  EXPECT_GE(ridge, 20);
  EXPECT_LE(ridge, 1000);
}

TEST_P(SanityTest, LinksAreSlowerThanMemory) {
  const Device& device = machine_.device;
  for (const auto& link : {device.scale_up, device.host_link, machine_.network}) {
    if (link) {
      EXPECT_GE(link->bandwidth.value, 10e9) << link->name;
      EXPECT_LE(link->bandwidth.value, 0.3 * device.memory.bandwidth.value) << link->name;
      EXPECT_GE(link->latency.value, 0.5e-6) << link->name;
      EXPECT_LE(link->latency.value, 20e-6) << link->name;
    }
  }
}

TEST_P(SanityTest, LaunchPowerAndPrice) {
  const Device& device = machine_.device;
  for (const Unit& unit : device.units) {
    EXPECT_GE(unit.launch_latency.value, 0.5e-6);
    EXPECT_LE(unit.launch_latency.value, 10e-6);
  }
  // But for memory that computes: it has no processor to draw more, and much of what it draws is standby.
  const bool memory_alone = device.name == "cent";
  EXPECT_GE(device.power.max.value, memory_alone ? 20 : 50);
  EXPECT_LE(device.power.max.value, 1500);
  EXPECT_GT(device.power.idle.value, 0);
  EXPECT_LE(device.power.idle.value, (memory_alone ? 0.5 : 0.3) * device.power.max.value);
  EXPECT_GE(machine_.price_per_device().value * 3600, 0.1);
  EXPECT_LE(machine_.price_per_device().value * 3600, 10);
}

// But for the machine whose device stands idle beside two CPUs; and matrix units of two CPUs compute more than a small
// GPU that adds in fp32.
TEST_P(SanityTest, HostIsSmallerThanItsDevices) {
  if (machine_.host && machine_.name != "granite-rapids-2") {
    const Host& host = *machine_.host;
    EXPECT_GE(host.memory.capacity.value, 100e9);
    EXPECT_GE(host.memory.bandwidth.value, 60e9);
    EXPECT_LT(host.memory.bandwidth.value, machine_.devices * machine_.device.memory.bandwidth.value);
    if (machine_.name == "xeon-8452y-4080") {
      return;
    }
    EXPECT_LT(peak(host.cpu, host.cpu.arithmetic(DType::bf16)).value,
              machine_.devices * half_rate(machine_.device.units.front()));
  }
}

INSTANTIATE_TEST_SUITE_P(Machines, SanityTest, testing::ValuesIn(every_machine()), name_of_parameter);

}  // namespace
}  // namespace moesaic
