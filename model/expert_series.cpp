#include "model/expert_series.hpp"

#include <algorithm>
#include <cmath>

#include "base/statistics.hpp"

namespace moesaic {

ExpertTimes expert_times(const GroupedGemm& experts, Seconds per_flop, BytesPerSecond memory) {
  const auto demand = [&](double rows) {
    return work(Operator{.kind = OperatorKind::experts, .label = "experts", .shape = part_of(experts, {1, rows, 1})});
  };
  const Work one = demand(1), two = demand(2);
  return {one.weights / memory, (two.activations - one.activations) / memory,
          Seconds{(two.flops - one.flops).value * per_flop.value}};
}

Seconds in_series(const ExpertPart& part, double tokens, const ExpertTimes& times) {
  if (part.experts <= 0 || part.rows <= 0) {
    return {};
  }
  const double weights = times.weights.value, row = times.row_compute.value - times.row_memory.value;
  const double memory = part.distinct * weights + part.rows * times.row_memory.value;
  if (row <= 0) {
    return Seconds{memory};
  }
  if (part.even) {
    return Seconds{std::max(memory, part.rows * times.row_compute.value)};
  }
  // E[max(w, n r)] over n > 0 is n r, and w - n r more while n <= w / r. The sum of n P(n) up to m is the mean times
  // P(n - 1 of one trial less <= m - 1).
  const double trials = std::max(1.0, tokens), mean = part.rows / part.experts;
  const double chance = std::min(1.0, mean / trials), most = std::floor(weights / row);
  const double used = part.distinct / part.experts;
  const double within = std::clamp(binomial_at_most(most, trials, chance) - (1 - used), 0.0, used);
  const double rows_within = mean * binomial_at_most(most - 1, trials - 1, chance);
  const double waiting = std::max(0.0, weights * within - row * rows_within);
  return Seconds{std::max(memory, part.rows * times.row_compute.value + part.experts * waiting)};
}

CoProcessed co_process(const GroupedGemm& experts, int spaces, const ExpertTimes& processor,
                       const ExpertTimes& memory) {
  if (experts.rows <= 0) {
    return {};
  }
  const int groups = static_cast<int>(std::min<double>(spaces, std::floor(experts.experts)));
  const double rows = experts.rows / std::max(groups, 1);
  const double chance = std::min(1.0, experts.rows / experts.experts / std::max(1.0, experts.tokens));
  const double deviation = experts.even ? 0 : std::sqrt(rows * (1 - chance));
  CoProcessed best;
  double least = 0, light = 0;
  for (int moved = 0; moved <= groups; ++moved) {
    if (moved > 0) {
      // Blom's approximation of the expected order statistics of a normal distribution.
      const double quantile = normal_quantile((moved - 0.375) / (groups + 0.25));
      light += std::max(0.0, rows + deviation * quantile);
    }
    const double share = moved == groups ? 1 : std::min(light / experts.rows, 1.0);
    const ResidentSplit split = split_resident(experts, static_cast<double>(moved) / std::max(groups, 1), share);
    const double later = std::max(in_series(split.missing, experts.tokens, processor).value,
                                  in_series(split.resident, experts.tokens, memory).value);
    if (moved == 0 || later < least) {
      least = later;
      best = {split.missing, split.resident};
    }
  }
  return best;
}

}  // namespace moesaic
