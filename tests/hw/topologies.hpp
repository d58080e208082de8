// Small topologies of every kind.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "hw/routing.hpp"
#include "hw/topology_counts.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {

inline const Link kFast{.name = "", .bandwidth = {400e9}, .latency = {2e-6}};
inline const Link kWire{.name = "", .bandwidth = {50e9}, .latency = {1e-6}};

/// `devices` on a switch, with as many adapters.
inline NodeDescription switched_node(int devices) {
  return {.kind = devices == 1 ? NodeKind::single : NodeKind::switched,
          .devices = devices,
          .adapters = devices,
          .scale_up = kFast,
          .pcie = {},
          .socket = {}};
}

inline FabricDescription fabric(FabricKind kind) {
  FabricDescription description;
  description.kind = kind;
  description.endpoint = description.trunk = kWire;
  return description;
}

inline TopologyDescription with_pcie(TopologyDescription description, int adapters) {
  description.node.pcie = kFast;
  description.node.adapters = adapters;
  return description;
}

inline TopologyDescription railed(TopologyDescription description) {
  description.fabric.rail_optimised = true;
  return description;
}

inline TopologyDescription partial(TopologyDescription description, int nodes) {
  description.nodes = nodes;
  return description;
}

inline TopologyDescription fat_tree(int ports, int levels, int devices = 1, int nodes = 0) {
  TopologyDescription description{"fat tree", switched_node(devices), fabric(FabricKind::fat_tree), nodes};
  description.fabric.ports = ports;
  description.fabric.levels = levels;
  return description;
}

inline TopologyDescription multi_plane(int ports, int planes, int nodes = 0) {
  TopologyDescription description = fat_tree(ports, 2, planes, nodes);
  description.fabric.kind = FabricKind::multi_plane_fat_tree;
  description.fabric.planes = planes;
  return description;
}

inline TopologyDescription multi_rail(int ports, int rails, int levels = 2, int nodes = 0) {
  TopologyDescription description = fat_tree(ports, levels, rails, nodes);
  description.fabric.kind = FabricKind::multi_rail_fat_tree;
  return description;
}

inline TopologyDescription leaf_spine(int leaves, int spines, int nodes, int devices = 1) {
  TopologyDescription description{"leaf-spine", switched_node(devices), fabric(FabricKind::leaf_spine), nodes};
  description.fabric.leaves = leaves;
  description.fabric.spines = spines;
  return description;
}

inline TopologyDescription dragonfly(int endpoints, int routers, int globals, int groups, int devices = 1) {
  TopologyDescription description{"dragonfly", switched_node(devices), fabric(FabricKind::dragonfly), 0};
  description.fabric.router_endpoints = endpoints;
  description.fabric.group_routers = routers;
  description.fabric.router_globals = globals;
  description.fabric.groups = groups;
  return description;
}

inline TopologyDescription slim_fly(int order, int endpoints, int devices = 1) {
  TopologyDescription description{"slim fly", switched_node(devices), fabric(FabricKind::slim_fly), 0};
  description.fabric.order = order;
  description.fabric.router_endpoints = endpoints;
  return description;
}

inline TopologyDescription torus(std::vector<int> dimensions, int devices = 1) {
  TopologyDescription description{"torus", switched_node(devices), fabric(FabricKind::torus), 0};
  description.fabric.dimensions = std::move(dimensions);
  return description;
}

inline TopologyDescription pcie_node(int devices, int adapters, int per_switch, int sockets) {
  NodeDescription node{.kind = NodeKind::pcie_tree,
                       .devices = devices,
                       .adapters = adapters,
                       .scale_up = {},
                       .pcie = kFast,
                       .devices_per_pcie_switch = per_switch,
                       .sockets = sockets,
                       .socket = kFast};
  return {"pcie tree", node, {}, 1};
}

inline std::vector<Demanded> all_to_all(const Topology& topology, double bytes = 1) {
  std::vector<Demanded> flows;
  for (std::uint32_t i = 0; i < topology.devices; ++i) {
    for (std::uint32_t j = 0; j < topology.devices; ++j) {
      if (i != j) {
        flows.push_back({i, j, bytes});
      }
    }
  }
  return flows;
}

/// Seconds that each channel is busy, if its bytes are all that it does.
inline std::vector<double> loads(const Topology& topology, const Routes& routes, const std::vector<Demanded>& flows) {
  std::vector<double> load(topology.channels());
  for (std::size_t i = 0; i < flows.size(); ++i) {
    for (std::uint32_t h = routes.first[i]; h < routes.first[i + 1]; ++h) {
      const Routes::Hop& hop = routes.hops[h];
      load[hop.channel] += flows[i].bytes * hop.share / topology.links[hop.channel / 2].bandwidth.value;
    }
  }
  return load;
}

inline double busiest(const std::vector<double>& load) { return *std::max_element(load.begin(), load.end()); }

}  // namespace moesaic
