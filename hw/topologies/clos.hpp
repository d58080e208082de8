// Private to hw: leaves, spines and cores, from their counts.
#pragma once

#include "hw/topologies/builder.hpp"
#include "hw/topologies/shapes.hpp"

namespace moesaic {

Topology build_clos(const TopologyDescription& description, const ClosShape& shape, std::string kind);

}  // namespace moesaic
