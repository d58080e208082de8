// What a search is for, in the words of the command line.
#pragma once

#include <string>

#include "sim/search.hpp"

namespace moesaic {

/// Objectives: throughput, tpot, ttft; of training throughput, step. `slo`: "tpot=50ms,ttft=2s", either or both, or
/// "step=10s"; may be empty. Throws UserError naming the nearest objective or key.
SearchGoal parse_search_goal(bool training, const std::string& objective, const std::string& slo,
                             const std::string& top);

}  // namespace moesaic
