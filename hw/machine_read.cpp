// Typed reading of a resolved machine configuration.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include "base/error.hpp"
#include "hw/dram/closed_form.hpp"
#include "hw/machine.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kMachineNotes[] = {"kind", "vendor", "description", "sources"};
constexpr std::int64_t kMostDevices = 1 << 20;
constexpr int kMostDevicesOnHostLinks = 16;  // what one host has slots for

template <class Q>
Q above_zero(const Config& owner, std::string_view key) {
  const Config config = owner.at(key);
  const Q quantity = config.quantity<Q>();
  if (!(quantity.value > 0)) {
    config.fail(fmt::format("must be greater than zero, found \"{}\"", printable(config.string())));
  }
  return quantity;
}

int count(const Config& config, std::int64_t least) {
  const std::int64_t value = config.integer();
  if (value < least || value > kMostDevices) {
    config.fail(fmt::format("must be from {} to {}, found {}", least, kMostDevices, value));
  }
  return static_cast<int>(value);
}

DType format_of(const Config& owner, const std::string& key) {
  try {
    return parse_dtype(key);
  } catch (const UserError& error) {
    owner.at(key).fail(error.what());
  }
}

PerDType<FlopsPerSecond> read_peak(const Config& config) {
  PerDType<FlopsPerSecond> peak{};
  for (const std::string& key : config.keys()) {
    peak[static_cast<std::size_t>(format_of(config, key))] = above_zero<FlopsPerSecond>(config, key);
  }
  if (config.keys().empty()) {
    config.fail("needs the rate of at least one number format, for example {\"bf16\": \"989 TFLOP/s\"}");
  }
  return peak;
}

DieAreas read_area(const Config& owner) {
  const auto config = owner.find("area");
  if (!config) {
    return {};
  }
  const auto of_die = [&](std::string_view die) { return config->has(die) ? above_zero<Area>(*config, die) : Area{}; };
  const DieAreas areas{of_die("processor"), of_die("buffer"), of_die("dram")};
  if (config->keys().empty()) {
    config->fail("needs the area on at least one die: processor, buffer or dram, for example {\"buffer\": \"89 mm2\"}");
  }
  return areas;
}

Memory read_memory(const Config& config) {
  config.ignore(kMachineNotes);
  Memory memory{above_zero<Bytes>(config, "capacity"), above_zero<BytesPerSecond>(config, "bandwidth"),
                config.has("cache") ? above_zero<Bytes>(config, "cache") : Bytes{}};
  if (const auto spaces = config.find("spaces")) {
    memory.spaces = count(*spaces, 1);
  }
  memory.area = read_area(config);
  if (const auto dram = config.find("dram")) {
    memory.dram = read_dram_reference(*dram);
  }
  return memory;
}

Link read_link(const Config& config, std::string_view fallback_name) {
  Link link{config.string_or("name", fallback_name), above_zero<BytesPerSecond>(config, "bandwidth"),
            config.at("latency").quantity<Seconds>()};
  if (const auto gap = config.find("gap")) {
    link.gap = gap->quantity<Seconds>();
  }
  if (const auto energy = config.find("energy")) {
    link.energy = energy->quantity<JoulesPerByte>();
  }
  return link;
}

Unit read_unit(std::string name, const Config& config, const Memory& of_owner) {
  Unit unit;
  unit.name = std::move(name);
  if (const auto own = config.find("memory")) {
    unit.memory = read_memory(*own);
    unit.link = read_link(config.at("link"), "link to " + unit.name);
  } else if (const auto link = config.find("link")) {
    link->fail("leads to a unit's own memory, and this unit names none (\"memory\")");
  }
  const Memory& memory = unit.memory ? *unit.memory : of_owner;
  unit.peak = read_peak(config.at("peak"));
  unit.own_channel = config.has("memory_bandwidth");
  unit.memory_bandwidth = unit.own_channel ? above_zero<BytesPerSecond>(config, "memory_bandwidth") : memory.bandwidth;
  unit.launch_latency = config.at("launch_latency").quantity<Seconds>();
  if (const auto multiprocessors = config.find("multiprocessors")) {
    unit.multiprocessors = count(*multiprocessors, 1);
  }
  if (const auto capability = config.find("compute_capability")) {
    unit.compute_capability = capability->number();
    if (unit.compute_capability <= 0) {
      capability->fail("must be above zero");
    }
  }
  unit.area = read_area(config);
  unit.scores_on_chip = config.boolean_or("scores_on_chip", false);
  if (const auto queries = config.find("queries_per_read")) {
    unit.queries_per_read = count(*queries, 1);
  }
  if (const auto given = config.find("energy")) {
    unit.energy = {
        memory.dram && !given->has("memory") ? JoulesPerByte{} : given->at("memory").quantity<JoulesPerByte>(),
        given->at("arithmetic").quantity<JoulesPerFlop>()};
  }
  if (memory.dram) {
    const auto named = config.find("path");
    const AccessPath path = named ? read_access_path(*named, *memory.dram) : access_path("external", *memory.dram);
    unit.memory_share = stream_form(*memory.dram, path).share;
    if (unit.energy && !config.at("energy").has("memory")) {
      // Every row once; what refreshes close again is a hundredth or two, and takes a simulation to know.
      unit.energy->memory =
          column_energy(*memory.dram, path) + memory.dram->energy[static_cast<std::size_t>(DramStep::activate)];
    }
  } else if (const auto path = config.find("path")) {
    path->fail("is a way to the data of a DRAM, and the device's memory names none (\"dram\")");
  }
  return unit;
}

std::vector<Unit> read_units(const Config& config, const Memory& memory) {
  std::vector<Unit> units;
  for (const std::string& name : config.keys()) {
    if (name.empty() || name.find('.') != std::string::npos) {
      config.fail(fmt::format("the name of a unit must not be empty nor contain '.', found '{}'", printable(name)));
    }
    units.push_back(read_unit(name, config.at(name), memory));
    if (!units.back().memory) {
      continue;
    }
    const Config own = config.at(name).at("memory");
    if (units.size() == 1) {
      own.fail("the first unit is the one that the device's memory belongs to; a memory apart is for another unit");
    }
    if (std::any_of(units.begin(), units.end() - 1, [](const Unit& unit) { return unit.memory.has_value(); })) {
      own.fail("a device may have one unit with a memory of its own, and this is the second");
    }
  }
  if (units.empty()) {
    config.fail("needs at least one unit");
  }
  return units;
}

Power read_power(const Config& owner) {
  const auto config = owner.find("power");
  if (!config) {
    return {};
  }
  const Power power{config->at("idle").quantity<Watts>(), config->at("max").quantity<Watts>()};
  if (power.idle > power.max) {
    config->at("idle").fail(fmt::format("idle power ({}) exceeds the greatest power ({})", config->at("idle").string(),
                                        config->at("max").string()));
  }
  return power;
}

std::optional<double> read_attained(const Config& owner, std::string_view key) {
  const auto config = owner.find(key);
  if (!config) {
    return std::nullopt;
  }
  const double share = config->number();
  if (!(share > 0 && share <= 1)) {
    config->fail("must be above 0 and at most 1 (a share of the peak figure)");
  }
  return share;
}

AttainedShares read_attained(const Config& owner) {
  const auto config = owner.find("attained");
  return config ? AttainedShares{read_attained(*config, "compute"), read_attained(*config, "memory")}
                : AttainedShares{};
}

Device read_device(const Config& config) {
  config.ignore(kMachineNotes);
  Device device;
  device.name = config.at("name").string();
  device.vendor = config.string_or("vendor", "");
  device.memory = read_memory(config.at("memory"));
  device.units = read_units(config.at("units"), device.memory);
  device.power = read_power(config);
  if (const auto price = config.find("price")) {
    device.price = price->quantity<DollarsPerSecond>();
  }
  if (const auto link = config.find("scale_up")) {
    device.scale_up = read_link(*link, "scale-up");
    device.scale_up->in_switch_reduction = link->boolean_or("in_switch_reduction", false);
    device.scale_up_devices = count(link->at("devices"), 2);
  }
  if (const auto link = config.find("host_link")) {
    device.host_link = read_link(*link, "host link");
    device.host_link_attained = read_attained(*link, "attained");
    device.host_link_pageable = read_attained(*link, "pageable");
  }
  device.placement = config.string_or("placement", "");
  device.attained = read_attained(config);
  if (config.has("profile")) {
    device.profile = config.at("profile");  // read where kernels are known
    const std::vector<std::string> keys = device.profile->keys();
    device.profile->ignore(std::vector<std::string_view>(keys.begin(), keys.end()));
  }
  return device;
}

Host read_host(const Config& config) {
  config.ignore(kMachineNotes);
  Host host;
  if (const auto sockets = config.find("sockets")) {
    host.sockets = count(*sockets, 1);  // all figures are of all sockets together
  }
  host.name = config.at("name").string();
  host.memory = read_memory(config.at("memory"));
  host.cpu = read_unit("cpu", config.at("cpu"), host.memory);
  if (host.cpu.memory) {
    config.at("cpu").at("memory").fail("a memory of a unit's own is for units of a device; the host's is \"memory\"");
  }
  host.power = read_power(config);
  if (const auto link = config.find("socket_link")) {
    if (host.sockets < 2) {
      link->fail("joins the sockets of a host, and \"sockets\" says that it has one");
    }
    host.socket_link = read_link(*link, "socket link");
  }
  if (const auto storage = config.find("storage")) {
    host.storage = read_memory(*storage);
  }
  host.attained = read_attained(config);
  return host;
}

int read_device_count(const Config& config, const Device& device) {
  const int devices = count(config, 1);
  if (device.scale_up && devices > device.scale_up_devices) {
    config.fail(
        fmt::format("{} devices are more than one scale-up domain joins ({})", devices, device.scale_up_devices));
  }
  if (!device.scale_up && device.host_link && devices > kMostDevicesOnHostLinks) {
    config.fail(fmt::format("{} devices are more than one host joins ({}), and this device has no scale_up link",
                            devices, kMostDevicesOnHostLinks));
  }
  if (!device.scale_up && !device.host_link && devices > 1) {
    config.fail(
        fmt::format("{} devices cannot reach each other: this device has neither scale_up nor host_link", devices));
  }
  return devices;
}

/// A fabric, or the name of a topology that has it: a file beside this one, or one of the catalog.
std::shared_ptr<const TopologyDescription> read_machine_fabric(const Config& config) {
  if (config.is_object()) {
    auto description = std::make_shared<TopologyDescription>();
    description->fabric = read_fabric(config);
    return description;
  }
  const std::string typed = config.string();
  const auto beside = std::filesystem::path(config.origin()).parent_path() / typed;
  std::error_code error;
  const bool neighbour = typed.ends_with(".json") && std::filesystem::is_regular_file(beside, error);
  try {
    return std::make_shared<TopologyDescription>(load_topology(neighbour ? beside.string() : typed));
  } catch (const UserError& mistake) {
    config.fail(mistake.what());
  }
}

}  // namespace

Machine read_machine(const Config& config) {
  constexpr std::array<std::string_view, 1> kOfDevice = {"host_link"};  // load_machine_config gives it to the device
  config.ignore(kMachineNotes);
  config.ignore(kOfDevice);
  Machine machine;
  machine.name = config.at("name").string();
  machine.device = read_device(config.at("device"));
  machine.devices = read_device_count(config.at("devices"), machine.device);
  if (const auto host = config.find("host")) {
    machine.host = read_host(*host);
  }
  if (const auto network = config.find("network")) {
    machine.network = read_link(*network, "network");
  }
  if (const auto nodes = config.find("nodes")) {
    machine.nodes = count(*nodes, 1);
    if (machine.nodes > 1 && !machine.network) {
      nodes->fail(
          fmt::format("{} nodes need a \"network\": one device's share of the links out of its node", machine.nodes));
    }
    if (std::int64_t{machine.nodes} * machine.devices > kMostDevices) {
      nodes->fail(
          fmt::format("{} nodes of {} devices are more than {} devices", machine.nodes, machine.devices, kMostDevices));
    }
  }
  if (const auto fabric = config.find("fabric")) {
    machine.topology = read_machine_fabric(*fabric);
  }
  config.reject_unknown();
  return machine;
}

}  // namespace moesaic
