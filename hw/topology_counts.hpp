// How many parts a topology has, in closed form: also where no graph of it is known, or it is too large to build.
#pragma once

#include <cstdint>

#include "hw/topology_description.hpp"

namespace moesaic {

/// The network's parts, as DeepSeek counts them (arXiv:2505.09343, table 3); the insides of nodes are left out.
struct TopologyCounts {
  std::int64_t nodes = 0;
  std::int64_t devices = 0;
  std::int64_t endpoints = 0;     ///< adapters, each with one link to its first switch
  std::int64_t switches = 0;      ///< switches or routers of the network
  std::int64_t local_links = 0;   ///< switch to switch, LinkRole::local
  std::int64_t global_links = 0;  ///< switch to switch, LinkRole::global
  std::int64_t links() const { return local_links + global_links; }
};

/// Throws UserError where the figures contradict each other.
TopologyCounts count_topology(const TopologyDescription& description);
/// The same, counted in a graph.
TopologyCounts count_topology(const Topology& topology);

}  // namespace moesaic
