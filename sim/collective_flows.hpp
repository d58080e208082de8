// Collectives written out as the flows between devices that their algorithms send.
#pragma once

#include <vector>

#include "hw/routing.hpp"
#include "model/collective.hpp"

namespace moesaic {

/// Flows that run at the same time; the next ones start when the last of them has ended.
using FlowPhase = std::vector<Demanded>;

/// The flows of one collective among the ranks of each of `groups` equal groups, which run it at once: group i has
/// every stride-th rank from (i / stride) * ranks * stride + i % stride, rank r is device r. Chunks of one pipelined
/// algorithm are all on the way at once, so that it has one phase, in which every pair of devices appears once with all
/// its bytes. `links` say how many nodes a group has.
std::vector<FlowPhase> collective_flows(const Collective& collective, const CollectiveAlgorithm& algorithm,
                                        const CollectiveLinks& links, int groups);

}  // namespace moesaic
