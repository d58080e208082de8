// Words for resources and numbers.
#include "reports/names.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace moesaic {
namespace {

TEST(Names, EveryKindOfHardwareFigureHasAName) {
  EXPECT_EQ(resource_name("device.memory.bandwidth"), "memory bandwidth");
  EXPECT_EQ(resource_name("device.memory.capacity"), "memory capacity");
  EXPECT_EQ(resource_name("device.units.gpu.peak"), "gpu arithmetic");
  EXPECT_EQ(resource_name("device.units.gpu.peak.bf16"), "gpu bf16 arithmetic");
  EXPECT_EQ(resource_name("device.units.pim.memory_bandwidth"), "pim memory bandwidth");
  EXPECT_EQ(resource_name("device.units.gpu.launch_latency"), "gpu launch latency");
  EXPECT_EQ(resource_name("device.scale_up.bandwidth"), "scale-up bandwidth");
  EXPECT_EQ(resource_name("device.scale_up.latency"), "scale-up latency");
  EXPECT_EQ(resource_name("device.host_link.bandwidth"), "host link bandwidth");
  EXPECT_EQ(resource_name("host.cpu.peak"), "cpu arithmetic");
  EXPECT_EQ(resource_name("host.cpu.peak.bf16"), "cpu bf16 arithmetic");
  EXPECT_EQ(resource_name("host.memory.bandwidth"), "host memory bandwidth");
  EXPECT_EQ(resource_name("network.latency"), "network latency");
}

TEST(Names, OtherPathsStayAsTheyAre) {
  for (const char* path : {"", "routing", "device", "device.units", "device.units.gpu", "a.b.c.d.e", "host.cpu"}) {
    EXPECT_EQ(resource_name(path), path);
    EXPECT_EQ(resource_label(path), path);
  }
  EXPECT_EQ(resource_label("device.memory.bandwidth"), "memory bandwidth (device.memory.bandwidth)");
}

TEST(Names, LessOfALatencyIsBetter) {
  EXPECT_TRUE(is_latency("device.units.gpu.launch_latency"));
  EXPECT_TRUE(is_latency("network.latency"));
  EXPECT_FALSE(is_latency("network.bandwidth"));
}

TEST(Numbers, AreGroupedInThrees) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(4096), "4,096");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(-1234), "-1,234");
  EXPECT_EQ(count_text(1.5), "1.5");
  EXPECT_EQ(rate_text(PerSecond{12345.6}), "12,346");
  EXPECT_EQ(rate_text(PerSecond{94.21}), "94.2");
  EXPECT_EQ(rate_text(PerSecond{0.0123}), "0.0123");
  EXPECT_EQ(percent_text(0.5714), "57.1%");
  EXPECT_EQ(percent_text(-0.0), "0.0%");
  EXPECT_EQ(ratio_text(FlopsPerByte{295.2}), "295");
}

TEST(Numbers, ThatAreNotFiniteAreADash) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double value : {none, infinite, -infinite}) {
    EXPECT_EQ(count_text(value), "-");
    EXPECT_EQ(rate_text(PerSecond{value}), "-");
    EXPECT_EQ(percent_text(value), "-");
    EXPECT_EQ(ratio_text(FlopsPerByte{value}), "-");
  }
  EXPECT_EQ(ratio_text(FlopsPerByte{0}), "-");
}

}  // namespace
}  // namespace moesaic
