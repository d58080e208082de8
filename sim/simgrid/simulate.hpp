// Private to moesaic-simgrid: the simulation itself. One a process: SimGrid has one engine.
#pragma once

#include <vector>

#include "sim/simgrid/flow_exchange.hpp"

namespace moesaic {

/// Seconds at which each flow ends, by SimGrid's model CM02 without cross-traffic, TCP windows and link latencies.
std::vector<double> simulate_flows(const WholeFlows& flows);

}  // namespace moesaic
