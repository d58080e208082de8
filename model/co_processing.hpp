// Experts divided between a processor and a unit beside the memory that work at once (Duplex, arXiv:2409.01141, section
// V-B): those with the fewest tokens beside the memory, so many that the later of both is as early as can be.
#pragma once

#include <optional>

#include "model/expert_series.hpp"

namespace moesaic {

struct UnitTimes {
  ExpertTimes processor;
  ExpertTimes memory;
};

struct CoProcessed {
  ExpertParts parts;  ///< in the mean of draws
  /// How much later than by its mean loads the later of both units ends on the slowest rank, in the mean of draws.
  double lateness = 1;
};

/// Experts lie in `spaces` memory spaces, whose experts stay together. They are divided for each draw of the tokens'
/// choices, the same draws every time; all are on the better unit where that is no later. `crossing`: what tokens and
/// results take on their way to experts beside the memory, and back. `table`: times by which they are divided instead,
/// whatever comes of it.
CoProcessed co_process(const GroupedGemm& experts, int spaces, const UnitTimes& attained, Seconds crossing = {},
                       const std::optional<UnitTimes>& table = {});

}  // namespace moesaic
