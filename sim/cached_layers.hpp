// Private to sim: what the caches of a trace's layers are given.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/expert_cache.hpp"

namespace moesaic {

struct CacheSpan {
  std::int64_t steps = 0;
  std::int64_t skipped = 0;  ///< whole steps of the warm-up
};

/// Throws UserError where question and trace do not fit.
CacheSpan check_cache(const RoutingTrace& trace, const CacheQuestion& question);
/// Of every layer that is not pinned; their capacities add up to the whole.
std::vector<CacheSettings> layer_settings(const RoutingTrace& trace, const CacheQuestion& question);
/// Of the one cache of all layers that are not pinned.
CacheSettings shared_settings(const RoutingTrace& trace, const CacheQuestion& question);

}  // namespace moesaic
