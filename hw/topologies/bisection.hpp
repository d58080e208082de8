// Private to hw: how much can flow between two halves of a topology.
#pragma once

#include "hw/routing/graph.hpp"
#include "hw/topology.hpp"

namespace moesaic {

struct Bisection {
  BytesPerSecond across;  ///< the maximum flow from the first half to the rest
  BytesPerSecond wanted;  ///< what the endpoints of the smaller half can send
};

/// The first half of the nodes against the others; of one node, the first half of its devices.
Bisection bisect(const Topology& topology, const NetworkGraph& network);

}  // namespace moesaic
