// Finds machine configurations and puts devices and hosts in the place of their names.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "hw/machine.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kMachineKinds = {"cluster", "node", "device", "host"};

// What a configuration describes; without a "kind" its members tell.
std::string kind_of(const Config& config) {
  if (const auto kind = config.find("kind")) {
    std::string text = kind->string();
    if (std::find(kMachineKinds.begin(), kMachineKinds.end(), text) == kMachineKinds.end()) {
      kind->fail(fmt::format("unknown kind '{}'{}", printable(text), suggest(text, kMachineKinds)));
    }
    return text;
  }
  if (config.has("node")) {
    return "cluster";
  }
  if (config.has("device")) {
    return "node";
  }
  if (config.has("units")) {
    return "device";
  }
  if (config.has("cpu")) {
    return "host";
  }
  config.fail(
      "describes no machine: expected a cluster (with a \"node\"), a node (with a \"device\"), a device (with "
      "\"units\") or a host");
}

// A node of CPUs alone: what stands in the place of its device has no room and no link, so that nothing can be on it.
constexpr const char* kNoDevice = R"({"name": "none", "kind": "device", "description": "no device",
  "units": {"gpu": {"peak": {"fp32": "1 FLOP/s"}, "launch_latency": "0 s"}},
  "memory": {"capacity": "1 B", "bandwidth": "1 B/s"}})";

// A file that a node refers to is looked for beside the node's own file first.
std::string beside(const Config& node, const std::string& typed) {
  const fs::path neighbour = fs::path(node.origin()).parent_path() / typed;
  std::error_code error;
  return typed.ends_with(".json") && fs::is_regular_file(neighbour, error) ? neighbour.string() : typed;
}

CatalogEntry find_member(const Config& reference, const std::string& kind) {
  try {
    return find_in_catalog("machines", kind, beside(reference, reference.string()));
  } catch (const UserError& error) {
    reference.fail(error.what());
  }
}

// What `owner` has as "device", "host" or "node": the object itself, or what the name stands for.
Config member_of(const Config& owner, const std::string& kind) {
  Config member = owner.at(kind);
  if (!member.is_string()) {
    if (const std::string found = kind_of(member); found != kind) {
      member.fail(fmt::format("expected a {}, found a {}", kind, found));
    }
    return member;
  }
  if (kind == "device" && member.string() == "none") {
    return Config::parse(kNoDevice, "no device");
  }
  Config content = Config::load(find_member(member, kind).file);
  if (const std::string found = kind_of(content); found != kind) {
    member.fail(fmt::format("'{}' is a {}, not a {}", printable(member.string()), found, kind));
  }
  return content;
}

// A slot of an older generation, or with fewer lanes, than the device has: the node's link in the place of the
// device's.
Config with_own_link(const Config& node) {
  if (!node.has("host_link")) {
    return node;
  }
  const Config device = Config::parse(node.at("device").dump(), node.origin());
  if (!device.has("host_link")) {
    node.at("host_link").fail("stands in the place of the device's own, and this device has none");
  }
  return node.with_member("device", device.with_member("host_link", node.at("host_link")));
}

// The node with its device and host as objects.
Config inlined(const Config& node) {
  Config whole = node.at("device").is_string() ? node.with_member("device", member_of(node, "device")) : node;
  member_of(whole, "device");
  whole = with_own_link(whole);
  if (!whole.has("host")) {
    return whole;
  }
  const Config host = member_of(whole, "host");
  return whole.at("host").is_string() ? whole.with_member("host", host) : whole;
}

// A cluster's node, which it may describe itself or name, with the cluster's own name, nodes and fabric.
Config inlined_cluster(const Config& cluster) {
  constexpr std::string_view kOwn[] = {"name", "description", "nodes", "fabric", "network", "sources"};
  constexpr std::string_view kOthers[] = {"kind", "node"};
  cluster.ignore(kOwn);
  cluster.ignore(kOthers);
  cluster.reject_unknown();
  const Config node = member_of(cluster, "node");
  Config whole = inlined(cluster.at("node").is_string() ? node : Config::parse(node.dump(), cluster.origin()));
  for (const std::string_view key : {"name", "nodes", "fabric"}) {
    cluster.at(key);
  }
  for (const std::string_view key : kOwn) {
    if (cluster.has(key)) {
      whole = whole.with_member(key, cluster.at(key));
    }
  }
  return whole;
}

}  // namespace

Config machine_of_one(const Config& device) {
  const auto json = [&](std::string_view key) { return device.has(key) ? device.at(key).dump() : "\"\""; };
  device.at("name").string();
  return Config::parse(fmt::format(R"({{"name": {}, "kind": "node", "description": {}, "device": {{}}, "devices": 1}})",
                                   json("name"), json("description")),
                       device.origin())
      .with_member("device", device);
}

Config load_machine_config(const std::string& name_or_file) {
  const CatalogEntry entry = find_in_catalog("machines", "machine", name_or_file);
  const Config config = Config::load(entry.file);
  const std::string kind = kind_of(config);
  if (kind == "host") {
    config.fail(
        fmt::format("'{}' is a host, which is no machine by itself; choose a cluster, a node or a device", entry.name));
  }
  if (kind == "device") {
    return machine_of_one(config);
  }
  return kind == "cluster" ? inlined_cluster(config) : inlined(config);
}

std::optional<Link> usual_network(const std::string& device) {
  for (const CatalogEntry& entry : list_catalog("machines")) {
    const Config node = Config::load(entry.file);
    if (kind_of(node) == "node" && node.has("network") && node.at("device").is_string() &&
        node.at("device").string() == device) {
      return read_machine(load_machine_config(entry.name)).network;
    }
  }
  return std::nullopt;
}

std::vector<MachineSummary> list_machines() {
  std::vector<MachineSummary> machines;
  for (const CatalogEntry& entry : list_catalog("machines")) {
    const Config config = Config::load(entry.file);
    machines.push_back({entry.name, kind_of(config), config.string_or("description", "")});
  }
  const auto rank = [](const MachineSummary& machine) {
    return std::find(kMachineKinds.begin(), kMachineKinds.end(), machine.kind);
  };
  std::stable_sort(machines.begin(), machines.end(),
                   [&](const MachineSummary& a, const MachineSummary& b) { return rank(a) < rank(b); });
  return machines;
}

}  // namespace moesaic
