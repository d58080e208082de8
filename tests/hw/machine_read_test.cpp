// What the reader accepts, and one clear line for everything else.
#include <gtest/gtest.h>

#include "hw/machine.hpp"
#include "tests/hw/every_machine.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr const char* kNode = R"({
  "name": "n", "devices": 2,
  "device": {
    "name": "d",
    "units": {"gpu": {"peak": {"bf16": "100 TFLOP/s"}, "launch_latency": "2 us"}},
    "memory": {"capacity": "80 GB", "bandwidth": "2 TB/s"},
    "scale_up": {"name": "link", "bandwidth": "450 GB/s", "latency": "2 us", "devices": 8},
    "host_link": {"bandwidth": "63 GB/s", "latency": "4 us"},
    "power": {"idle": "70 W", "max": "700 W"},
    "price": "$2.50/h"
  },
  "host": {
    "name": "h",
    "cpu": {"peak": {"fp32": "5 TFLOP/s"}, "launch_latency": "5 us"},
    "memory": {"capacity": "1 TB", "bandwidth": "300 GB/s"}
  },
  "network": {"bandwidth": "50 GB/s", "latency": "5 us"}
})";

Config node() { return Config::parse(kNode, "m.json"); }

TEST(MachineRead, Values) {
  const Machine machine = read_machine(node());
  EXPECT_EQ(machine.name, "n");
  EXPECT_EQ(machine.devices, 2);
  EXPECT_EQ(machine.device.name, "d");
  EXPECT_EQ(machine.device.vendor, "");
  ASSERT_EQ(machine.device.units.size(), 1u);
  const Unit& gpu = machine.device.units[0];
  EXPECT_EQ(gpu.name, "gpu");
  EXPECT_EQ(peak(gpu, DType::bf16).value, 100e12);
  EXPECT_EQ(peak(gpu, DType::fp8).value, 0);
  EXPECT_EQ(gpu.memory_bandwidth.value, 2e12);
  EXPECT_FALSE(gpu.own_channel);
  EXPECT_DOUBLE_EQ(gpu.launch_latency.value, 2e-6);
  EXPECT_EQ(machine.device.memory.capacity.value, 80e9);
  EXPECT_EQ(machine.device.scale_up->name, "link");
  EXPECT_EQ(machine.device.scale_up->bandwidth.value, 450e9);
  EXPECT_FALSE(machine.device.scale_up->in_switch_reduction);
  EXPECT_EQ(machine.device.scale_up_devices, 8);
  EXPECT_DOUBLE_EQ(machine.device.host_link->latency.value, 4e-6);
  EXPECT_EQ(machine.device.power.max.value, 700);
  EXPECT_NEAR(machine.price_per_device().value * 3600, 2.5, 1e-12);
  EXPECT_EQ(machine.host->cpu.name, "cpu");
  EXPECT_EQ(machine.host->cpu.memory_bandwidth.value, 300e9);
  EXPECT_EQ(machine.host->power.max.value, 0);
  EXPECT_EQ(machine.network->bandwidth.value, 50e9);
}

TEST(MachineRead, OptionalParts) {
  for (const char* path : {"device.scale_up", "device.host_link", "device.power", "device.price", "host", "network"}) {
    EXPECT_NO_THROW(read_machine(node().set(path, "null"))) << path;
  }
}

TEST(MachineRead, UnitsKeepTheirOrderAndChannels) {
  const Machine machine = read_machine(node().set("device.units", R"({
      "z": {"peak": {"fp16": "1 TFLOP/s"}, "launch_latency": "0 s"},
      "a": {"peak": {"fp16": "2 TFLOP/s"}, "memory_bandwidth": "9 TB/s", "launch_latency": "1 us"}})"));
  ASSERT_EQ(machine.device.units.size(), 2u);
  EXPECT_EQ(machine.device.units[0].name, "z");
  EXPECT_EQ(machine.device.units[0].launch_latency.value, 0);
  EXPECT_EQ(machine.device.units[1].name, "a");
  EXPECT_TRUE(machine.device.units[1].own_channel);
  EXPECT_EQ(machine.device.units[1].memory_bandwidth.value, 9e12);
}

constexpr const char* kApart = R"({
    "gpu": {"peak": {"fp16": "100 TFLOP/s"}, "launch_latency": "1 us"},
    "pim": {"peak": {"fp16": "2 TFLOP/s"}, "memory_bandwidth": "9 TB/s", "launch_latency": "1 us",
            "memory": {"capacity": "30 GB", "bandwidth": "1 TB/s"}, "link": {"bandwidth": "100 GB/s", "latency": "2 us"},
            "area": {"buffer": "10 mm2", "dram": "5 mm2"}}})";

TEST(MachineRead, AUnitMayHaveAMemoryOfItsOwn) {
  const Machine machine = read_machine(node().set("device.units", kApart));
  const Unit* apart = machine.device.apart();
  ASSERT_NE(apart, nullptr);
  EXPECT_EQ(apart->name, "pim");
  EXPECT_EQ(apart->memory->capacity.value, 30e9);
  EXPECT_EQ(apart->memory_bandwidth.value, 9e12);
  EXPECT_EQ(apart->link->bandwidth.value, 100e9);
  EXPECT_DOUBLE_EQ(apart->area.total().value, 15e-6);
  EXPECT_EQ(machine.device.memory.capacity.value, 80e9);
  EXPECT_EQ(read_machine(node()).device.apart(), nullptr);
}

TEST(MachineRead, MistakesAboutMemoriesOfTheirOwn) {
  const auto mistake = [](const char* path, const char* value) {
    return user_error([&] { return read_machine(node().set("device.units", kApart).set(path, value)); });
  };
  EXPECT_NE(mistake("device.units.pim.link", "null").find("link"), std::string::npos);
  EXPECT_NE(mistake("device.units.pim.memory", "null").find("device.units.pim.link"), std::string::npos);
  EXPECT_NE(mistake("device.units.pim.area", "{}").find("buffer"), std::string::npos);
  EXPECT_NE(mistake("device.units.pim.area", R"({"bufer": "1 mm2"})").find("did you mean 'buffer'"), std::string::npos);
  const std::string first = user_error([] {
    return read_machine(node().set("device.units", R"({"pim": {"peak": {"fp16": "2 TFLOP/s"}, "launch_latency": "1 us",
      "memory": {"capacity": "3 GB", "bandwidth": "1 TB/s"}, "link": {"bandwidth": "1 GB/s", "latency": "2 us"}}})"));
  });
  EXPECT_NE(first.find("device.units.pim.memory"), std::string::npos) << first;
}

TEST(MachineRead, SetChangesWhatIsRead) {
  const Config config = load_machine_config("dgx-h100");
  EXPECT_EQ(read_machine(config.set("device.memory.bandwidth", "8TB/s")).device.units[0].memory_bandwidth.value, 8e12);
  EXPECT_EQ(read_machine(config.set("devices", "4")).devices, 4);
  EXPECT_EQ(read_machine(config.set("host.memory.capacity", "1TiB")).host->memory.capacity.value, 1099511627776.0);
  EXPECT_EQ(peak(read_machine(config.set("device.units.gpu.peak.bf16", "2PFLOP/s")).device.units[0], DType::bf16).value,
            2e15);
  EXPECT_DOUBLE_EQ(read_machine(config.set("network.latency", "3us")).network->latency.value, 3e-6);
}

struct Mistake {
  const char* path;
  const char* value;
  const char* message;  ///< how the message begins
};

TEST(MachineRead, MistakesAreNamed) {
  const Mistake mistakes[] = {
      {"name", "7", "m.json: name: expected a string, found 7"},
      {"devices", "0", "m.json: devices: must be from 1 to"},
      {"devices", "-3", "m.json: devices: must be from 1 to"},
      {"devices", "2.5", "m.json: devices: expected an integer"},
      {"devices", "two", "m.json: devices: expected an integer"},
      {"devices", "9", "m.json: devices: 9 devices are more than one scale-up domain joins (8)"},
      {"devices", "99999999999", "m.json: devices: must be from 1 to"},
      {"device", "[]", "m.json: device: expected an object"},
      {"device.name", "null", "m.json: device.name: expected a string, found null"},
      {"device.units", "{}", "m.json: device.units: needs at least one unit"},
      {"device.units", R"({"g.p": {}})", "m.json: device.units: the name of a unit must not be empty nor contain '.'"},
      {"device.units.gpu", "{}", "m.json: device.units.gpu: missing key 'peak'"},
      {"device.units.gpu.peak", "{}", "m.json: device.units.gpu.peak: needs the rate of at least one number format"},
      {"device.units.gpu.peak", R"({"bf17": "1 TFLOP/s"})", "m.json: device.units.gpu.peak.bf17: "},
      {"device.units.gpu.peak.bf16", "0 TFLOP/s",
       "m.json: device.units.gpu.peak.bf16: must be greater than zero, found \"0 TFLOP/s\""},
      {"device.units.gpu.peak.bf16", "-5 TFLOP/s", "m.json: device.units.gpu.peak.bf16: "},
      {"device.units.gpu.peak.bf16", "100", "m.json: device.units.gpu.peak.bf16: expected a quantity with its unit"},
      {"device.units.gpu.peak.bf16", "100 TB/s", "m.json: device.units.gpu.peak.bf16: "},
      {"device.units.gpu.launch_latency", "2 GB", "m.json: device.units.gpu.launch_latency: "},
      {"device.memory", R"({"capacity": "1 GB"})", "m.json: device.memory: missing key 'bandwidth'"},
      {"device.memory", R"({"capacity": "1 GB", "bandwith": "1 GB/s"})",
       "m.json: device.memory: missing key 'bandwidth'"},
      {"device.memory", R"({"capacity": "1 GB", "bandwidth": "1 GB/s", "spaces": 0})",
       "m.json: device.memory.spaces: must be from 1 to"},
      {"device.memory", R"({"capacity": "1 GB", "bandwidth": "1 GB/s", "dram": "hbm9-1"})",
       "m.json: device.memory.dram: "},
      {"device.units.gpu", R"({"peak": {"bf16": "1 TFLOP/s"}, "launch_latency": "1 us", "path": "logic-pim"})",
       "m.json: device.units.gpu.path: is a way to the data of a DRAM, and the device's memory names none"},
      {"device.units.gpu",
       R"({"peak": {"bf16": "1 TFLOP/s"}, "launch_latency": "1 us", "energy": {"arithmetic": "0.2 pJ/FLOP"}})",
       "m.json: device.units.gpu.energy: missing key 'memory'"},
      {"device.units.gpu",
       R"({"peak": {"bf16": "1 TFLOP/s"}, "launch_latency": "1 us", "energy": {"memory": "3 pJ", "arithmetic": "1 pJ/FLOP"}})",
       "m.json: device.units.gpu.energy.memory: \"3 pJ\" is not"},
      {"device.memory.capacity", "0 GB", "m.json: device.memory.capacity: must be greater than zero"},
      {"device.memory.bandwidth", "0 B/s", "m.json: device.memory.bandwidth: must be greater than zero"},
      {"device.memory.bandwidth", "fast", "m.json: device.memory.bandwidth: \"fast\" is not a bandwidth"},
      {"device.memory.bandwidth", "inf", "m.json: device.memory.bandwidth: "},
      {"device.scale_up.bandwidth", "0 GB/s", "m.json: device.scale_up.bandwidth: must be greater than zero"},
      {"device.scale_up.bandwidth", "450 Gb/s", "m.json: device.scale_up.bandwidth: "},
      {"device.scale_up.devices", "1", "m.json: device.scale_up.devices: must be from 2 to"},
      {"device.scale_up.latency", "2", "m.json: device.scale_up.latency: expected a quantity with its unit"},
      {"device.scale_up", R"({"bandwidth": "1 GB/s", "latency": "1 us", "devices": 8, "in_switch_reduction": 1})",
       "m.json: device.scale_up.in_switch_reduction: expected true or false"},
      {"device.power.idle", "900 W",
       "m.json: device.power.idle: idle power (900 W) exceeds the greatest power (700 W)"},
      {"device.price", "2.50", "m.json: device.price: "},
      {"host.cpu.peak", "{}", "m.json: host.cpu.peak: needs the rate of at least one number format"},
      {"host.memory.capacity", "0 B", "m.json: host.memory.capacity: must be greater than zero"},
      {"network.bandwidth", "0 B/s", "m.json: network.bandwidth: must be greater than zero"},
      {"network", R"({"bandwidth": "1 GB/s"})", "m.json: network: missing key 'latency'"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string message = user_error([&] { return read_machine(node().set(mistake.path, mistake.value)); });
    EXPECT_TRUE(message.starts_with(mistake.message)) << mistake.path << " = " << mistake.value << "\n  " << message;
  }
}

TEST(MachineRead, UnknownKeysAreNamed) {
  const Mistake mistakes[] = {
      {"network", R"({"bandwidth": "1 GB/s", "latency": "1 us", "latencies": "2 us"})",
       "m.json: network.latencies: unknown key 'latencies' (did you mean 'latency'?)"},
      {"device.memory", R"({"capacity": "1 GB", "bandwidth": "1 GB/s", "size": "2 GB"})",
       "m.json: device.memory.size: unknown key 'size'"},
      {"device.units.gpu", R"({"peak": {"bf16": "1 TFLOP/s"}, "launch_latency": "1 us", "memory_bandwith": "1 TB/s"})",
       "m.json: device.units.gpu.memory_bandwith: unknown key 'memory_bandwith' (did you mean 'memory_bandwidth'?)"},
      {"device.power", R"({"idle": "1 W", "max": "2 W", "min": "1 W"})", "m.json: device.power.min: unknown key 'min'"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string message = user_error([&] { return read_machine(node().set(mistake.path, mistake.value)); });
    EXPECT_TRUE(message.starts_with(mistake.message)) << message;
  }
  const Config colour = Config::parse(R"({"colour": "green"})", "c.json");
  const std::string message = user_error([&] { return read_machine(node().with_member("colour", colour)); });
  EXPECT_NE(message.find("unknown key 'colour'"), message.npos) << message;
}

TEST(MachineRead, DevicesWithoutScaleUpShareTheHost) {
  const Config pcie = node().set("device.scale_up", "null");
  EXPECT_EQ(read_machine(pcie.set("devices", "16")).devices, 16);
  EXPECT_EQ(user_error([&] { return read_machine(pcie.set("devices", "17")); }),
            "m.json: devices: 17 devices are more than one host joins (16), and this device has no scale_up link");
  const Config alone = pcie.set("device.host_link", "null");
  EXPECT_EQ(read_machine(alone.set("devices", "1")).devices, 1);
  EXPECT_EQ(user_error([&] { return read_machine(alone); }),
            "m.json: devices: 2 devices cannot reach each other: this device has neither scale_up nor host_link");
}

}  // namespace
}  // namespace moesaic
