// Figures that vendors print, written here a second time and in another way than in the catalog.
#include "tests/hw/every_machine.hpp"

namespace moesaic {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

Device device(const std::string& name) { return machine_named(name).device; }
double rate(const std::string& name, DType dtype) { return peak(device(name).units.front(), dtype).value; }

// Multiprocessors x tensor-core FLOPs per clock of each x boost clock.
TEST(Datasheet, NvidiaTensorRatesFollowFromTheChip) {
  EXPECT_NEAR(rate("a100-80gb-sxm", DType::bf16), 108 * 2048 * 1.410e9, 1e12);
  EXPECT_NEAR(rate("h100-sxm", DType::bf16), 132 * 4096 * 1.830e9, 1e12);
  EXPECT_NEAR(rate("h200", DType::fp8), 132 * 8192 * 1.830e9, 2e12);
  EXPECT_NEAR(rate("h100-pcie", DType::bf16), 114 * 4096 * 1.620e9, 1e12);
  EXPECT_NEAR(rate("a40", DType::fp16), 84 * 1024 * 1.740e9, 1e12);
  EXPECT_NEAR(rate("rtx-4090", DType::bf16), 128 * 512 * 2.520e9, 1e12);  // halved when accumulating in fp32
  EXPECT_NEAR(rate("rtx-5090", DType::bf16), 170 * 512 * 2.407e9, 1e12);  // halved when accumulating in fp32
  EXPECT_NEAR(rate("rtx-pro-6000", DType::fp4), 188 * 4096 * 2.430e9, 2e12);
  EXPECT_NEAR(rate("t4", DType::fp16), 40 * 1024 * 1.590e9, 1e12);
}

// Compute units x matrix FLOPs per clock of each x boost clock.
TEST(Datasheet, AmdMatrixRatesFollowFromTheChip) {
  EXPECT_NEAR(rate("mi250x", DType::bf16), 220 * 1024 * 1.700e9, 1e12);
  EXPECT_NEAR(rate("mi300x", DType::fp8), 304 * 4096 * 2.100e9, 1e12);
  EXPECT_NEAR(rate("mi355x", DType::bf16), 256 * 4096 * 2.400e9, 1e12);
  EXPECT_NEAR(rate("mi355x", DType::fp4), 256 * 16384 * 2.400e9, 1e12);
}

// Bus width in bytes x transfers per second.
TEST(Datasheet, MemoryBandwidthFollowsFromTheBus) {
  EXPECT_NEAR(device("a100-80gb-sxm").memory.bandwidth.value, 5120 / 8 * 2 * 1.593e9, 1e9);
  EXPECT_NEAR(device("a100-40gb-sxm").memory.bandwidth.value, 5120 / 8 * 2 * 1.215e9, 1e9);
  EXPECT_NEAR(device("h100-sxm").memory.bandwidth.value, 5120 / 8 * 2 * 2.619e9, 5e9);
  EXPECT_NEAR(device("b200").memory.bandwidth.value, 7680 / 8 * 2 * 3.996e9, 30e9);
  EXPECT_NEAR(device("rtx-4090").memory.bandwidth.value, 384 / 8 * 21e9, 1e9);
  EXPECT_NEAR(device("rtx-5090").memory.bandwidth.value, 512 / 8 * 28e9, 1e9);
  EXPECT_NEAR(device("l40s").memory.bandwidth.value, 384 / 8 * 18e9, 1e9);
  EXPECT_NEAR(device("mi300x").memory.bandwidth.value, 8192 / 8 * 5.2e9, 30e9);
  EXPECT_NEAR(machine_named("dgx-h100").host->memory.bandwidth.value, 2 * 8 * 8 * 4.8e9, 1e6);
  EXPECT_NEAR(machine_named("xeon-8380-a40").host->memory.bandwidth.value, 8 * 8 * 3.2e9, 1e6);
}

// GDDR6 keeps ECC in a sixteenth of the memory; HBM keeps it aside, and the driver reserves a little.
TEST(Datasheet, CapacityIsWhatTheDriverReports) {
  EXPECT_NEAR(device("l40s").memory.capacity.value, 48 * kGiB * 15 / 16, 0.02 * kGiB);
  EXPECT_NEAR(device("t4").memory.capacity.value, 16 * kGiB * 15 / 16, 0.02 * kGiB);
  EXPECT_EQ(device("a100-80gb-sxm").memory.capacity.value, 80 * kGiB);
  EXPECT_NEAR(device("h100-sxm").memory.capacity.value, 80 * kGiB, 0.4 * kGiB);
  EXPECT_LT(device("b200").memory.capacity.value, 180 * kGiB);
  EXPECT_EQ(device("mi300x").memory.capacity.value, 192 * kGiB);
}

// Links x bytes per second and direction of one link.
TEST(Datasheet, LinksArePerDirection) {
  EXPECT_EQ(device("a100-80gb-sxm").scale_up->bandwidth.value, 12 * 25e9);
  EXPECT_EQ(device("h100-sxm").scale_up->bandwidth.value, 18 * 25e9);
  EXPECT_EQ(device("h800").scale_up->bandwidth.value, 8 * 25e9);
  EXPECT_EQ(device("b200").scale_up->bandwidth.value, 18 * 50e9);
  EXPECT_EQ(device("mi300x").scale_up->bandwidth.value, 7 * 64e9);
  EXPECT_EQ(device("gaudi-3").scale_up->bandwidth.value, 21 * 200e9 / 8);
  EXPECT_NEAR(device("h100-sxm").host_link->bandwidth.value, 16 * 32e9 / 8 * 128 / 130, 0.1e9);
  EXPECT_NEAR(device("a40").host_link->bandwidth.value, 16 * 16e9 / 8 * 128 / 130, 0.1e9);
  EXPECT_EQ(machine_named("dgx-h100").network->bandwidth.value, 400e9 / 8);
  EXPECT_TRUE(device("h100-sxm").scale_up->in_switch_reduction);
  EXPECT_FALSE(device("mi300x").scale_up->in_switch_reduction);
}

// Sockets x cores x FLOPs per clock of each x clock.
TEST(Datasheet, HostRatesFollowFromTheCores) {
  const auto cpu = [](const std::string& node) { return machine_named(node).host->cpu; };
  EXPECT_NEAR(peak(cpu("dgx-h100"), DType::bf16).value, 2 * 56 * 1024 * 2.0e9, 1e11);
  EXPECT_NEAR(peak(cpu("xeon-8380-a40"), DType::fp32).value, 40 * 64 * 2.3e9, 1e9);
  EXPECT_EQ(peak(cpu("xeon-8380-a40"), DType::bf16).value, 0);  // Ice Lake has no bf16
  EXPECT_EQ(cpu("xeon-8380-a40").arithmetic(DType::bf16), DType::fp32);
  EXPECT_NEAR(peak(cpu("gb200-nvl72"), DType::fp64).value, 36 * 7.1e12 / 2, 1e12);  // a superchip of two has 7.1
}

TEST(Datasheet, Nodes) {
  EXPECT_EQ(machine_named("gb200-nvl72").devices, 72);
  EXPECT_EQ(machine_named("gb200-nvl72").device.name, "gb200");
  EXPECT_EQ(machine_named("dgx-h100").devices, 8);
  EXPECT_EQ(machine_named("xeon-8380-a40").devices, 1);
  EXPECT_FALSE(machine_named("l40s-8-pcie").device.scale_up);
  EXPECT_EQ(machine_named("l40s-8-pcie").devices, 8);
}

// Five stacks; Logic-PIM sees four times the bandwidth and computes 8 FLOPs for each byte of it.
TEST(Datasheet, Duplex) {
  const Machine machine = machine_named("duplex-4");
  ASSERT_EQ(machine.device.units.size(), 2u);
  const Unit& pim = machine.device.units[1];
  EXPECT_EQ(machine.devices, 4);
  EXPECT_EQ(pim.name, "pim");
  EXPECT_TRUE(pim.own_channel);
  EXPECT_DOUBLE_EQ(pim.memory_bandwidth.value, 4 * machine.device.memory.bandwidth.value);
  EXPECT_NEAR(peak(pim, DType::bf16).value / pim.memory_bandwidth.value, 8, 0.06);
  EXPECT_NEAR(peak(pim, DType::fp16).value, 5 * 32 * 512 * 2 * 650e6, 1e12);  // stacks, modules, MACs, clock
}

// FGDRAM's steps (pJ a bit) along each path: 3.48, 1.81, 2.68 and 0.73, and at least once the row of a KB for 0.909 nJ.
TEST(Datasheet, EnergyOfDuplexAndItsBaselines) {
  const auto picojoules_per_bit = [](const char* machine, std::size_t unit) {
    return machine_named(machine).device.units[unit].energy->memory.value / 8e-12;
  };
  const double row = 0.909e3 / 8192;
  for (const auto& [machine, unit, steps] :
       {std::tuple{"duplex", 0, 3.48}, {"duplex", 1, 1.81}, {"bank-group-pim", 1, 2.68}, {"bank-pim", 1, 0.73}}) {
    const double energy = picojoules_per_bit(machine, static_cast<std::size_t>(unit));
    EXPECT_GE(energy, steps + row * 0.999) << machine << unit;
    EXPECT_LE(energy, steps + 2 * row) << machine << unit;
  }
}

}  // namespace
}  // namespace moesaic
