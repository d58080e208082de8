// A cost model whose collectives share the links of a real topology with each other.
#pragma once

#include "calibrate/cost_model.hpp"
#include "model/step.hpp"
#include "sim/fabric.hpp"

namespace moesaic {

/// `base`, with collectives and exchanges over several nodes as much longer as their flows take on the topology of the
/// plan's machine than on links that nobody shares: all groups of the replica run them at once. Devices of the replica
/// fill node after node. `base` itself where the model is closed_form, the replica has one node, or nobody knows how
/// nodes are joined. Throws UserError where the topology has no way between two devices.
CostModelPointer contended_cost_model(CostModelPointer base, const StepPlan& plan, const RouteChoice& routes,
                                      FabricModel model);

}  // namespace moesaic
