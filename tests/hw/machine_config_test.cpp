// Finding machines by name or file, and putting devices and hosts in the place of their names.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/hw/every_machine.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

// A folder of the user's own machine files.
class MachineFilesTest : public testing::Test {
 protected:
  MachineFilesTest() { fs::create_directories(folder_); }
  ~MachineFilesTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  const fs::path folder_ = fs::temp_directory_path() / ("moesaic-machines-" + std::to_string(getpid()));
  const std::string device_ = R"({"name": "mine", "description": "my \"own\" device",
    "units": {"gpu": {"peak": {"bf16": "1 PFLOP/s"}, "launch_latency": "1 us"}},
    "memory": {"capacity": "64 GB", "bandwidth": "4 TB/s"},
    "host_link": {"bandwidth": "63 GB/s", "latency": "4 us"}})";
};

class EveryMachineTest : public testing::TestWithParam<std::string> {};

TEST_P(EveryMachineTest, LoadsAndReads) {
  const Config config = load_machine_config(GetParam());
  EXPECT_TRUE(config.at("device").is_object());
  EXPECT_TRUE(!config.has("host") || config.at("host").is_object());
  EXPECT_EQ(read_machine(config).name, GetParam());
  const Config again = Config::parse(config.dump(), "again");
  EXPECT_EQ(read_machine(again).device.units.size(), read_machine(config).device.units.size());
}

INSTANTIATE_TEST_SUITE_P(Machines, EveryMachineTest, testing::ValuesIn(every_machine()), name_of_parameter);

TEST(MachineConfig, ADeviceAloneIsAMachineOfOne) {
  const Config config = load_machine_config("h100-sxm");
  EXPECT_EQ(config.at("name").string(), "h100-sxm");
  EXPECT_EQ(config.at("kind").string(), "node");
  EXPECT_EQ(config.at("description").string(), "H100 SXM5 80 GB (Hopper)");
  EXPECT_EQ(config.at("device").at("memory").at("bandwidth").string(), "3.35 TB/s");
  const Machine machine = read_machine(config);
  EXPECT_EQ(machine.devices, 1);
  EXPECT_FALSE(machine.host);
  EXPECT_EQ(read_machine(config.set("devices", "8")).devices, 8);
}

TEST(MachineConfig, ANodeHasItsPartsInline) {
  const Config config = load_machine_config("dgx-h100");
  EXPECT_EQ(config.at("device").at("units").at("gpu").at("peak").at("bf16").string(), "989.4 TFLOP/s");
  EXPECT_EQ(config.at("host").at("name").string(), "xeon-8480c");
  EXPECT_EQ(config.at("host").at("cpu").at("peak").has("bf16"), true);
  EXPECT_EQ(config.at("device").at("scale_up").at("bandwidth").string(), "450 GB/s");
}

// PCIe 3.0 of the host's board, where the device has 4.0.
TEST(MachineConfig, ANodesOwnLinkStandsInThePlaceOfTheDevices) {
  const Config node = load_machine_config("i9-9900x-3090");
  EXPECT_NEAR(read_machine(node).device.host_link->bandwidth.value, 15.75e9, 1);
  EXPECT_NEAR(read_machine(load_machine_config("rtx-3090")).device.host_link->bandwidth.value, 31.5e9, 1);
  const Config changed = node.set("device.host_link.bandwidth", "8 GB/s");
  EXPECT_NEAR(read_machine(changed).device.host_link->bandwidth.value, 8e9, 1);
}

TEST(MachineConfig, NamesMayBeShortened) {
  EXPECT_EQ(load_machine_config("DGX-H100").at("name").string(), "dgx-h100");
  EXPECT_EQ(load_machine_config("nvl72").at("name").string(), "gb200-nvl72");
  const std::string ambiguous = user_error([] { return load_machine_config("h100"); });
  EXPECT_EQ(ambiguous, "machine 'h100' is ambiguous: dgx-h100, h100-nvl, h100-pcie, h100-sxm");
  const std::string unknown = user_error([] { return load_machine_config("dgx-h1000"); });
  EXPECT_NE(unknown.find("dgx-h100"), unknown.npos) << unknown;
}

TEST(MachineConfig, AHostIsNoMachine) {
  const std::string message = user_error([] { return load_machine_config("xeon-8480c"); });
  EXPECT_NE(message.find("'xeon-8480c' is a host, which is no machine by itself; choose a cluster, a node or a device"),
            message.npos)
      << message;
}

TEST_F(MachineFilesTest, ADeviceOfTheUsers) {
  const Machine machine = machine_named(write("mine.json", device_));
  EXPECT_EQ(machine.name, "mine");
  EXPECT_EQ(machine.device.memory.capacity.value, 64e9);
  EXPECT_EQ(load_machine_config(write("mine.json", device_)).at("description").string(), "my \"own\" device");
}

TEST_F(MachineFilesTest, ANodeOfShippedParts) {
  const Machine machine =
      machine_named(write("node.json", R"({"name": "x", "device": "mi300x", "devices": 4, "host": "epyc-9654"})"));
  EXPECT_EQ(machine.device.name, "mi300x");
  EXPECT_EQ(machine.host->name, "epyc-9654");
  EXPECT_EQ(machine.devices, 4);
}

TEST_F(MachineFilesTest, ANodeOfFilesBesideIt) {
  write("mine.json", device_);
  const Machine machine = machine_named(write("node.json", R"({"name": "x", "device": "mine.json", "devices": 2})"));
  EXPECT_EQ(machine.device.name, "mine");
}

TEST_F(MachineFilesTest, ANodeWithAnInlineDevice) {
  const Machine machine =
      machine_named(write("node.json", R"({"name": "x", "devices": 2, "device": )" + device_ + "}"));
  EXPECT_EQ(machine.device.units[0].memory_bandwidth.value, 4e12);
}

// A mistake in a part is reported where it was written.
TEST_F(MachineFilesTest, MistakesNameTheFileOfThePart) {
  const std::string part = write("mine.json", R"({"name": "mine", "units": {}, "memory": {"capacity": "64 GB"}})");
  const std::string node = write("node.json", R"({"name": "x", "device": "mine.json", "devices": 2})");
  EXPECT_EQ(user_error([&] { return machine_named(node); }), part + ": memory: missing key 'bandwidth'");
  EXPECT_EQ(user_error([&] { return machine_named(part); }), part + ": memory: missing key 'bandwidth'");
}

TEST_F(MachineFilesTest, WrongReferences) {
  const std::pair<const char*, const char*> mistakes[] = {
      {R"({"name": "x", "device": "xeon-8380", "devices": 1})", "device: 'xeon-8380' is a host, not a device"},
      {R"({"name": "x", "device": "dgx-h100", "devices": 1})", "device: 'dgx-h100' is a node, not a device"},
      {R"({"name": "x", "device": "a40", "devices": 1, "host": "a40"})", "host: 'a40' is a device, not a host"},
      {R"({"name": "x", "device": "h100-sxn", "devices": 1})",
       "device: unknown device 'h100-sxn' (did you mean 'h100-sxm'?)"},
      {R"({"name": "x", "device": "other.json", "devices": 1})", "device: other.json: no such file"},
      {R"({"name": "x", "device": {"cpu": {}}, "devices": 1})", "device: expected a device, found a host"},
      {R"({"name": "x", "device": 7, "devices": 1})", "device: expected an object, found 7"},
      {R"({"name": "x", "kind": "node", "devices": 1})", "missing key 'device'"},
      {R"({"name": "x", "kind": "nodes"})", "kind: unknown kind 'nodes' (did you mean 'node'?)"},
      {R"({"name": "x"})", "describes no machine"},
      {R"([1])", "expected an object, found an array of 1"},
  };
  for (const auto& [text, expected] : mistakes) {
    const std::string file = write("node.json", text);
    const std::string message = user_error([&] { return load_machine_config(file); });
    EXPECT_TRUE(message.starts_with(file + ": " + expected)) << text << "\n  " << message;
  }
}

TEST_F(MachineFilesTest, MissingOrBrokenFiles) {
  const std::string absent = (folder_ / "absent.json").string();
  EXPECT_EQ(user_error([&] { return load_machine_config(absent); }), absent + ": no such file");
  const std::string broken = write("broken.json", "{\"name\": ");
  EXPECT_TRUE(user_error([&] { return load_machine_config(broken); }).starts_with(broken + ": line 1"));
  const std::string nameless = write("nameless.json", R"({"units": {}, "memory": {}})");
  EXPECT_EQ(user_error([&] { return load_machine_config(nameless); }), nameless + ": missing key 'name'");
}

}  // namespace
}  // namespace moesaic
