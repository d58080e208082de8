// Networks and patterns of traffic that tests of flows share, with single paths, written down without the library's own
// topologies and routing.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "sim/flows.hpp"

namespace moesaic {

inline constexpr double kMegabyte = 1e6;
inline constexpr double kRate = 50e9;  ///< bytes per second of a usual link

using Hops = std::vector<Routes::Hop>;

struct FlowNetwork {
  std::string name;
  std::uint32_t ranks = 0;
  std::vector<double> capacity;
  std::function<Hops(std::uint32_t source, std::uint32_t destination)> route;
};

/// What tests of a network are called by.
inline void PrintTo(const FlowNetwork& network, std::ostream* out) { *out << network.name; }

/// Every rank on one switch.
FlowNetwork star_network(std::uint32_t ranks, double bandwidth);
/// Traffic to rank d goes over spine d mod spines.
FlowNetwork leaf_spine_network(std::uint32_t leaves, std::uint32_t ranks_per_leaf, std::uint32_t spines,
                               double bandwidth);
/// Dimension by dimension, the shorter way round.
FlowNetwork torus_network(std::vector<std::uint32_t> dimensions, double bandwidth);
/// Nodes of `devices` GPUs, each with its own adapter on a plane of its own; traffic for another plane first crosses
/// the node to the device on it.
FlowNetwork multi_plane_network(std::uint32_t nodes, std::uint32_t devices, double scale_up, double network);
/// Canonical: routers * globals + 1 groups, minimal routes.
FlowNetwork dragonfly_network(std::uint32_t routers, std::uint32_t ranks_per_router, std::uint32_t globals,
                              double bandwidth);

struct TestFlow {
  std::uint32_t source = 0;
  std::uint32_t destination = 0;
  double bytes = 0;
  double start = 0;
};
using Pattern = std::vector<TestFlow>;

Pattern all_to_all(std::uint32_t ranks, double bytes);
Pattern permutation(std::uint32_t ranks, double bytes, std::uint64_t seed);
Pattern ring_shift(std::uint32_t ranks, std::uint32_t by, double bytes);
/// Both neighbours of a ring.
Pattern ring_exchange(std::uint32_t ranks, double bytes);
Pattern incast(std::uint32_t ranks, std::uint32_t to, double bytes);
/// All to all in which `hot` gets eight times what the others get.
Pattern hot_expert(std::uint32_t ranks, std::uint32_t hot, double bytes);
/// Within groups first; at `second_start`, across them between ranks of the same place.
Pattern hierarchical(std::uint32_t ranks, std::uint32_t group, double bytes, double second_start);
/// All to all with sizes between a half and three halves of `bytes`.
Pattern random_sizes(std::uint32_t ranks, double bytes, std::uint64_t seed);
/// All to all in which rank r starts at r * gap.
Pattern staggered(std::uint32_t ranks, double bytes, double gap);

FlowProblem problem_of(const FlowNetwork& network, const Pattern& pattern);

}  // namespace moesaic
