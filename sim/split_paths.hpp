// Flows that are spread over several paths, as one flow for each path.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/flows.hpp"

namespace moesaic {

struct PathFlows {
  FlowProblem problem;                 ///< every flow takes its channels whole
  std::vector<std::uint32_t> flow_of;  ///< the flow that each path is part of
};

/// What SimGrid needs of sprayed flows. Channels carry the same bytes as before, but paths are no longer held to each
/// other's rate: each goes on its own, as under multipath transport, and a flow has ended when its last path has.
/// A path starts with the latency of its flow. Throws UserError that names a flow whose channels do not join up: routes
/// have to list them all (RouteChoice::every_channel).
PathFlows split_into_paths(const Topology& topology, const FlowProblem& problem);

}  // namespace moesaic
