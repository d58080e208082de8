// How often a placement's cache of experts has what tokens choose: from its size, its policy and the routing's
// locality.
#pragma once

#include <cstdint>
#include <string>

#include "model/architecture.hpp"
#include "model/hybrid_description.hpp"

namespace moesaic {

/// Share of the choices that find their expert in the cache that `placement` describes (its `cached`), in steps of
/// `batch` tokens. Over layers that are alike: eight of the network's, or all where they share one pool; over a trace
/// of popularity `routing` (as --routing takes it) or of the described load deviation, warmed up. Guesses that are kept
/// take slots: a wrong one may evict what would have been hit; a right one is no hit here, as it was copied.
/// Throws UserError that names the placement: no experts, no such policy, no whole slot, a locality that cannot be had.
double simulated_hits(const HybridDescription& placement, const Architecture& architecture, std::int64_t batch,
                      const std::string& routing);

}  // namespace moesaic
