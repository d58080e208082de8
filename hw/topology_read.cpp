// Reading of topologies' configurations.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/catalog.hpp"
#include "base/nearest.hpp"
#include "hw/topologies/shapes.hpp"
#include "hw/topology_counts.hpp"
#include "hw/topology_graph_read.hpp"
#include "hw/topology_properties.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kTopologyNotes[] = {"kind", "description", "sources"};
constexpr std::int64_t kMostOfAKind = 1 << 14, kMostNodes = 1 << 20;  // products of four fit 64 bits

int count(const Config& config, std::int64_t least, std::int64_t most) {
  const std::int64_t value = config.integer();
  if (value < least || value > most) {
    config.fail(fmt::format("must be from {} to {}, found {}", least, most, value));
  }
  return static_cast<int>(value);
}

int count(const Config& owner, std::string_view key, std::int64_t least = 1) {
  return count(owner.at(key), least, kMostOfAKind);
}

int count_or(const Config& owner, std::string_view key, int fallback) {
  return owner.has(key) ? count(owner, key) : fallback;
}

template <class Kind, std::size_t N>
Kind read_kind(const Config& owner, const std::array<Kind, N>& kinds) {
  const Config config = owner.at("kind");
  const std::string text = config.string();
  std::vector<std::string> names;
  for (const Kind kind : kinds) {
    if (text == to_text(kind)) {
      return kind;
    }
    names.emplace_back(to_text(kind));
  }
  config.fail(fmt::format("unknown kind '{}'{}", printable(text), suggest(text, names)));
}

NodeDescription read_node(const Config& config) {
  NodeDescription node;
  node.kind = read_kind(config, std::array{NodeKind::single, NodeKind::switched, NodeKind::mesh, NodeKind::pcie_tree});
  node.devices = node.kind == NodeKind::single ? count_or(config, "devices", 1) : count(config, "devices");
  node.adapters = count_or(config, "adapters", node.devices);
  if (node.kind == NodeKind::switched || node.kind == NodeKind::mesh) {
    node.scale_up = read_topology_link(config.at("scale_up"));
  }
  if (node.kind == NodeKind::pcie_tree || config.has("pcie")) {
    node.pcie = read_topology_link(config.at("pcie"));
  }
  if (node.kind == NodeKind::pcie_tree) {
    node.devices_per_pcie_switch = count_or(config, "devices_per_pcie_switch", 0);
    node.sockets = count_or(config, "sockets", 1);
    if (node.sockets > 1) {
      node.socket = read_topology_link(config.at("socket"));
    }
  }
  return node;
}

void read_fat_tree(const Config& config, FabricDescription& fabric) {
  fabric.ports = count(config, "ports", 2);
  fabric.levels = count_or(config, "levels", 2);
  fabric.taper = config.number_or("taper", 1);
  if (fabric.kind == FabricKind::multi_plane_fat_tree) {
    fabric.planes = count(config, "planes");
  }
  if (fabric.kind == FabricKind::fat_tree) {
    fabric.rail_optimised = config.boolean_or("rail_optimised", false);
  }
}

void read_dragonfly(const Config& config, FabricDescription& fabric) {
  fabric.group_routers = count(config, "group_routers");
  fabric.router_endpoints = count(config, "router_endpoints");
  fabric.router_globals = count(config, "router_globals");
  const std::int64_t most = std::int64_t{fabric.group_routers} * fabric.router_globals + 1;
  if (!config.has("groups") && most > kMostOfAKind) {
    config.fail(fmt::format("groups: {} of them are too many; the most are {}", most, kMostOfAKind));
  }
  fabric.groups = count_or(config, "groups", static_cast<int>(most));
}

}  // namespace

FabricDescription read_fabric(const Config& config) {
  FabricDescription fabric;
  fabric.kind =
      read_kind(config, std::array{FabricKind::none, FabricKind::leaf_spine, FabricKind::fat_tree,
                                   FabricKind::multi_plane_fat_tree, FabricKind::multi_rail_fat_tree,
                                   FabricKind::dragonfly, FabricKind::slim_fly, FabricKind::torus, FabricKind::graph});
  if (fabric.kind == FabricKind::none || fabric.kind == FabricKind::graph) {
    if (fabric.kind == FabricKind::graph) {
      read_listed_graph(config, fabric);
    }
    return fabric;
  }
  fabric.endpoint = read_topology_link(config.at("endpoint"));
  fabric.trunk = config.has("trunk") ? read_topology_link(config.at("trunk")) : fabric.endpoint;
  switch (fabric.kind) {
    case FabricKind::leaf_spine:
      fabric.leaves = count(config, "leaves");
      fabric.spines = count(config, "spines", 0);
      fabric.rail_optimised = config.boolean_or("rail_optimised", false);
      break;
    case FabricKind::dragonfly:
      read_dragonfly(config, fabric);
      break;
    case FabricKind::slim_fly:
      fabric.order = count(config, "order");
      fabric.router_endpoints = count_or(config, "router_endpoints", 0);
      break;
    case FabricKind::torus:
      for (const Config& size : config.at("dimensions").elements()) {
        fabric.dimensions.push_back(count(size, 1, kMostOfAKind));
      }
      break;
    default:
      read_fat_tree(config, fabric);
      return fabric;
  }
  fabric.ports = count_or(config, "ports", 0);
  return fabric;
}

namespace {

// Says at the place in the file what is wrong with the description.
[[noreturn]] void blame(const Config& config, const TopologyMistake& mistake) {
  Config owner = config;
  std::string_view rest = mistake.path;
  while (true) {
    const std::string_view key = rest.substr(0, rest.find('.'));
    if (!owner.is_object() || !owner.has(key)) {
      owner.fail(fmt::format("{}: {}", rest, mistake.message));
    }
    owner = owner.at(key);
    if (key.size() == rest.size()) {
      owner.fail(mistake.message);
    }
    rest.remove_prefix(key.size() + 1);
  }
}

}  // namespace

Link read_topology_link(const Config& config) {
  Link link;
  link.name = config.string_or("name", "");
  const Config bandwidth = config.at("bandwidth");
  link.bandwidth = bandwidth.quantity<BytesPerSecond>();
  if (!(link.bandwidth.value > 0)) {
    bandwidth.fail(fmt::format("must be greater than zero, found \"{}\"", printable(bandwidth.string())));
  }
  if (const auto latency = config.find("latency")) {
    link.latency = latency->quantity<Seconds>();
  }
  return link;
}

TopologyDescription read_topology(const Config& config) {
  config.ignore(kTopologyNotes);
  TopologyDescription description;
  description.name = config.at("name").string();
  if (const auto fabric = config.find("fabric")) {
    description.fabric = read_fabric(*fabric);
  }
  if (description.fabric.kind != FabricKind::graph) {
    description.node = read_node(config.at("node"));
  }
  const auto nodes = config.find("nodes");
  description.nodes = nodes ? count(*nodes, 1, kMostNodes) : description.fabric.kind == FabricKind::none ? 1 : 0;
  description.prices = config.string_or("prices", "");
  config.reject_unknown();
  try {
    count_topology(description);
  } catch (const TopologyMistake& mistake) {
    blame(config, mistake);
  }
  if (description.fabric.kind == FabricKind::graph) {
    try {
      check_connected(build_topology(description));
    } catch (const UserError& error) {
      config.at("fabric").fail(error.what());
    }
  }
  return description;
}

TopologyDescription load_topology(const std::string& name_or_file) {
  return read_topology(Config::load(find_in_catalog("topologies", "topology", name_or_file).file));
}

}  // namespace moesaic
