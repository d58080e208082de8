// Slim fly (Besta and Hoefler, SC 2014): the graphs of McKay, Miller and Siran, in which any two routers are at most
// two hops apart. Router (side, x, y) of two sides of q x q; (0, x, y) and (1, m, c) are joined where y = m x + c, and
// within a column those whose difference is in a set of powers of a primitive element.
#include <fmt/format.h>

#include <utility>

#include "hw/topologies/galois_field.hpp"
#include "hw/topologies/generators.hpp"

namespace moesaic {
namespace {

constexpr int kLargestOrder = 4096;

// The differences of joined routers within a column of side 0 and of side 1.
std::pair<std::vector<int>, std::vector<int>> generating_sets(const GaloisField& field, int delta) {
  std::vector<int> even, odd;
  const int q = field.order();
  if (delta >= 0) {  // the even powers, and the odd ones
    for (int k = 0; k < q - 1; k += 2) {
      even.push_back(field.power(k));
      odd.push_back(field.power(k + 1));
    }
    return {even, odd};
  }
  const int w = (q + 1) / 4;  // half of them, and their negatives: -1 is the power 2 w - 1
  for (int k = 0; k <= 2 * w - 2; k += 2) {
    even.insert(even.end(), {field.power(k), field.power(k + 2 * w - 1)});
    odd.insert(odd.end(), {field.power(k + 1), field.power(k + 2 * w)});
  }
  return {even, odd};
}

void join_routers(GraphBuilder& builder, const GaloisField& field, int delta, VertexId first, const Link& trunk) {
  const int q = field.order();
  const auto router = [&](int side, int x, int y) { return static_cast<VertexId>(first + (side * q + x) * q + y); };
  const auto label = [&](int kind) { return kNetworkLabels + static_cast<std::uint32_t>(kind); };
  const auto sets = generating_sets(field, delta);
  for (int side = 0; side < 2; ++side) {
    for (int x = 0; x < q; ++x) {
      for (int y = 0; y < q; ++y) {
        for (const int difference : side == 0 ? sets.first : sets.second) {
          const int other = field.add(y, difference);
          if (y < other) {
            builder.link(router(side, x, y), router(side, x, other), trunk, LinkRole::local,
                         {label(side * q + difference), label(side * q + field.subtract(0, difference))});
          }
        }
      }
    }
  }
  for (int x = 0; x < q; ++x) {
    for (int m = 0; m < q; ++m) {
      for (int c = 0; c < q; ++c) {
        const int y = field.add(field.multiply(m, x), c);
        builder.link(router(0, x, y), router(1, m, c), trunk, LinkRole::local, {label(2 * q), label(2 * q + 1)});
      }
    }
  }
}

}  // namespace

SlimFlyShape slim_fly_shape(const TopologyDescription& description) {
  const FabricDescription& fabric = description.fabric;
  if (fabric.order < 3 || fabric.order > kLargestOrder || fabric.order % 4 == 2) {
    throw TopologyMistake(description, "fabric.order",
                          fmt::format("a slim fly has an order from 3 to {} that is 4 w - 1, 4 w or 4 w + 1, found {}",
                                      kLargestOrder, fabric.order));
  }
  SlimFlyShape shape;
  shape.order = fabric.order;
  shape.delta = fabric.order % 4 == 3 ? -1 : fabric.order % 4;
  shape.degree = (3 * shape.order - shape.delta) / 2;
  shape.endpoints = fabric.router_endpoints > 0 ? fabric.router_endpoints : (shape.degree + 1) / 2;
  if (fabric.ports > 0 && shape.degree + shape.endpoints > fabric.ports) {
    throw TopologyMistake(
        description, "fabric.ports",
        fmt::format("a router needs {} ports, found {}", shape.degree + shape.endpoints, fabric.ports));
  }
  shape.nodes = nodes_within(description, 2 * shape.order * shape.order * shape.endpoints / description.node.adapters);
  return shape;
}

Topology build_slim_fly(const TopologyDescription& description) {
  const SlimFlyShape shape = slim_fly_shape(description);
  const int q = static_cast<int>(shape.order);
  const std::optional<GaloisField> field = GaloisField::of_order(q);
  if (!field) {
    throw TopologyMistake(description, "fabric.order",
                          fmt::format("no slim fly of order {} is known as a graph: it needs the power of a prime", q));
  }
  GraphBuilder builder(description, static_cast<int>(shape.nodes));
  const std::int64_t adapters = description.node.adapters, routers = 2 * shape.order * shape.order;
  const VertexId first = builder.add_routers(routers, shape.endpoints,
                                             [&](std::int64_t router) { return router < routers / 2 ? 0u : 1u; });
  join_routers(builder, *field, shape.delta, first, description.fabric.trunk);
  // The shifts of x, y and m are symmetries; together they move any router onto any other of its side.
  const bool symmetric = shape.endpoints % adapters == 0 && shape.nodes * adapters == shape.endpoints * routers;
  return std::move(builder).finish("slim-fly", symmetric);
}

}  // namespace moesaic
