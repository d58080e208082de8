// Private to hw: the networks, one file for each kind. All throw UserError where figures contradict each other.
#pragma once

#include "hw/topologies/builder.hpp"
#include "hw/topologies/shapes.hpp"

namespace moesaic {

Topology build_one_node(const TopologyDescription& description);
Topology build_dragonfly(const TopologyDescription& description);
Topology build_slim_fly(const TopologyDescription& description);
Topology build_torus(const TopologyDescription& description);
Topology build_listed_graph(const TopologyDescription& description);

}  // namespace moesaic
