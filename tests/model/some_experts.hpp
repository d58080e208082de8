// Experts of one rank, and times of units, for tests.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>

#include "model/expert_series.hpp"

namespace moesaic {

inline constexpr StorageType kHalf{DType::bf16, 16};

inline GroupedGemm some_experts(double tokens, double held, double top_k) {
  const double used = held * -std::expm1(tokens * std::log1p(-std::min(1 - 1e-12, top_k / held)));
  return {.tokens = tokens,
          .rows = tokens * top_k,
          .distinct = used,
          .experts = held,
          .top_k = top_k,
          .hidden = 1024,
          .width = 512,
          .weights = kHalf,
          .activations = kHalf};
}

/// Drawn, within a property.
inline GroupedGemm any_experts() {
  const int held = *rc::gen::inRange(1, 64);
  return some_experts(*rc::gen::inRange(1, 3000), held, *rc::gen::inRange(1, held + 1));
}
inline ExpertTimes any_times() {
  return {Seconds{*rc::gen::inRange(1, 1000) * 1e-6}, Seconds{*rc::gen::inRange(0, 20) * 1e-8},
          Seconds{*rc::gen::inRange(0, 1000) * 1e-7}};
}

inline ExpertPart all(const GroupedGemm& op) { return {op.experts, op.rows, op.distinct}; }

}  // namespace moesaic
