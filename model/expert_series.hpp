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
  Seconds row_apart{};  ///< of one pair between its products, when the unit does nothing else
};

/// What one expert and one row of `experts` demand, by a unit's rates. `activation_apart`: their activation function is
/// a kernel of its own.
ExpertTimes expert_times(const GroupedGemm& experts, Seconds per_flop, BytesPerSecond memory,
                         bool activation_apart = false);

/// Sum over the experts of `part` of the expected max(weights + n row_memory, n row_compute) + n row_apart, where an
/// expert's n of `tokens` tokens is the mean if rows are even, else binomial; nothing where n is zero.
Seconds in_series(const ExpertPart& part, double tokens, const ExpertTimes& times);

/// Those of a processor and of a unit beside the memory.
struct ExpertParts {
  ExpertPart processor;
  ExpertPart memory;
};

/// The most tokens of `tokens` with which an expert is done sooner at `memory` than at `processor`, where fewer are
/// too; 0 if none.
double most_near_memory(const ExpertTimes& processor, const ExpertTimes& memory, double tokens);

/// The experts of `part` each on the unit that finishes it first, unless all on one of them are done sooner. Nothing
/// works at once.
ExpertParts by_load(const ExpertPart& part, double tokens, const ExpertTimes& processor, const ExpertTimes& memory);

}  // namespace moesaic
