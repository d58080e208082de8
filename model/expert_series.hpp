// The experts of a rank one after another, as on units that run one product at a time: each is as long as the longer of
// reading its weights and computing its tokens, so that uneven loads cost more than their mean does.
#pragma once

#include "model/expert_split.hpp"

namespace moesaic {

/// Times of a unit.
struct ExpertTimes {
  Seconds weights;      ///< reading those of one expert
  Seconds row_memory;   ///< reading and writing what one (token, expert) pair needs besides
  Seconds row_compute;  ///< computing one pair
};

/// What one expert and one row of `experts` demand, by a unit's rates.
ExpertTimes expert_times(const GroupedGemm& experts, Seconds per_flop, BytesPerSecond memory);

/// Sum over the experts of `part` of the expected max(weights + n row_memory, n row_compute), where an expert's n of
/// `tokens` tokens is the mean if rows are even, else binomial; nothing where n is zero.
Seconds in_series(const ExpertPart& part, double tokens, const ExpertTimes& times);

/// Experts divided between a processor and a unit beside the memory that work at once (Duplex, arXiv:2409.01141,
/// section V-B): those with the fewest tokens beside the memory, so many that the later of both is as early as can be.
/// They lie in `spaces` memory spaces, whose experts stay together; loads are the expected order statistics.
struct CoProcessed {
  ExpertPart processor;
  ExpertPart memory;
};
CoProcessed co_process(const GroupedGemm& experts, int spaces, const ExpertTimes& processor, const ExpertTimes& memory);

}  // namespace moesaic
