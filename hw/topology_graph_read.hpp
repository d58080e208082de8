// Private to hw: reading of networks that are listed part by part.
#pragma once

#include "base/config.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {

/// A link's bandwidth above zero and its latency, zero if not given.
Link read_topology_link(const Config& config);

/// Reads "vertices" and "links".
void read_listed_graph(const Config& config, FabricDescription& fabric);

}  // namespace moesaic
