// Adaptive replacement (ARC) for experts.
#pragma once

#include <memory>

#include "sim/expert_cache.hpp"

namespace moesaic {

/// Megiddo and Modha 2003, "ARC: a self-tuning, low overhead replacement cache", one expert of a row after another:
/// those that are held first, so that they are the most recent ones, and none of the row is evicted while another can.
std::unique_ptr<ExpertCache> make_adaptive_cache(const ExpertRequests& requests, std::int64_t capacity);

}  // namespace moesaic
