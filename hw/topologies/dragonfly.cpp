// Dragonfly (Kim et al., ISCA 2008): groups of routers that are all joined, and links between groups. The global links
// are arranged circulantly, so that turning all groups on by one is a symmetry for any number of groups.
#include <fmt/format.h>

#include <utility>

#include "hw/topologies/generators.hpp"

namespace moesaic {
namespace {

struct GlobalPort {
  std::int64_t offset = 0;   // to the group at its other end, modulo the groups
  std::int64_t partner = 0;  // the port there
};

// Ports go round the other groups as often as they can; the rest takes offsets in pairs that are each other's negative.
GlobalPort global_port(const DragonflyShape& shape, std::int64_t port) {
  const std::int64_t others = shape.groups - 1, rest = shape.used_globals() % others;
  const std::int64_t round = shape.used_globals() - rest;
  if (port < round) {
    const std::int64_t place = port % others;
    return {place + 1, port - place + (others - 1 - place)};
  }
  const std::int64_t place = port - round, mirrored = rest - 1 - place;
  const std::int64_t offset = place < mirrored    ? place + 1
                              : place == mirrored ? shape.groups / 2
                                                  : shape.groups - (mirrored + 1);
  return {offset, round + mirrored};
}

void join_groups(GraphBuilder& builder, const DragonflyShape& shape, VertexId first, const Link& trunk) {
  const auto router = [&](std::int64_t group, std::int64_t index) {
    return static_cast<VertexId>(first + group * shape.routers + index);
  };
  const auto label = [&](std::int64_t kind) { return static_cast<std::uint32_t>(kNetworkLabels + kind); };
  const std::int64_t locals = shape.routers * shape.routers;
  for (std::int64_t group = 0; group < shape.groups; ++group) {
    for (std::int64_t a = 0; a < shape.routers; ++a) {
      for (std::int64_t b = a + 1; b < shape.routers; ++b) {
        builder.link(router(group, a), router(group, b), trunk, LinkRole::local,
                     {label(a * shape.routers + b), label(b * shape.routers + a)});
      }
    }
    for (std::int64_t port = 0; port < shape.used_globals(); ++port) {
      const GlobalPort global = global_port(shape, port);
      const std::int64_t other = (group + global.offset) % shape.groups;
      if (group < other) {  // of the two ends, one makes the link
        builder.link(router(group, port / shape.globals), router(other, global.partner / shape.globals), trunk,
                     LinkRole::global, {label(locals + port), label(locals + global.partner)});
      }
    }
  }
}

}  // namespace

std::int64_t DragonflyShape::used_globals() const {
  if (groups < 2) {
    return 0;
  }
  const std::int64_t all = routers * globals;
  return all % 2 != 0 && groups % 2 != 0 ? all - 1 : all;
}

DragonflyShape dragonfly_shape(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  const auto at_least_one = [&](int count, const char* path) {
    if (count < 1) {
      throw TopologyMistake(description, path, fmt::format("must be at least 1, found {}", count));
    }
    return count;
  };
  DragonflyShape shape;
  shape.endpoints = at_least_one(fabric.router_endpoints, "fabric.router_endpoints");
  shape.routers = at_least_one(fabric.group_routers, "fabric.group_routers");
  shape.groups = at_least_one(fabric.groups, "fabric.groups");
  shape.globals = shape.groups > 1 ? at_least_one(fabric.router_globals, "fabric.router_globals") : 0;
  const std::int64_t most = shape.routers * shape.globals + 1;
  if (shape.groups > most) {
    throw TopologyMistake(description, "fabric.groups",
                          fmt::format("{} groups are more than the {} that {} routers of {} global links can join",
                                      shape.groups, most, shape.routers, shape.globals));
  }
  const std::int64_t used = shape.endpoints + shape.routers - 1 + shape.globals;
  if (fabric.ports > 0 && used > fabric.ports) {
    throw TopologyMistake(description, "fabric.ports",
                          fmt::format("a router needs {} ports, found {}", used, fabric.ports));
  }
  shape.nodes = nodes_within(description, shape.endpoints * shape.routers * shape.groups / description.node.adapters);
  return shape;
}

Topology build_dragonfly(const TopologyDescription& description) {
  const DragonflyShape shape = dragonfly_shape(description);
  GraphBuilder builder(description, static_cast<int>(shape.nodes));
  const std::int64_t adapters = description.node.adapters, routers = shape.routers * shape.groups;
  const VertexId first = builder.add_routers(routers, shape.endpoints, [&](std::int64_t router) {
    return static_cast<std::uint32_t>(router % shape.routers);
  });
  join_groups(builder, shape, first, description.fabric.trunk);
  const bool symmetric = shape.endpoints % adapters == 0 && shape.nodes * adapters == shape.endpoints * routers;
  return std::move(builder).finish("dragonfly", symmetric);
}

}  // namespace moesaic
