// What a topology's graph says about it: distances, bisection, oversubscription.
#pragma once

#include <cstddef>

#include "hw/topology.hpp"

namespace moesaic {

struct TopologyProperties {
  int diameter = 0;             ///< links between switches on the way between the two endpoints farthest apart
  double average_distance = 0;  ///< the same, mean over pairs of endpoints that switches join
  std::size_t sampled = 0;      ///< switches that distances are measured from; 0: all, else the diameter may be larger
  /// The most that the first half of the nodes (of the devices, where there is one node) can send to the rest at once,
  /// as the network's links allow.
  BytesPerSecond bisection;
  double full_bisection = 0;    ///< bisection as a share of what the smaller half's endpoints can send
  double oversubscription = 1;  ///< of a first switch: bandwidth of its endpoints over that of its links to switches;
                                ///< the largest; 1 where no other switch is needed
};

TopologyProperties topology_properties(const Topology& topology);

/// Throws UserError that names two devices that cannot reach each other.
void check_connected(const Topology& topology);

}  // namespace moesaic
