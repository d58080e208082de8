#include "model/expert_series.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {

namespace {

/// Elements of a (token, expert) pair that the activation function between products reads and writes, by `width`.
double activation_elements(double matrices) { return matrices == 3 ? 3 : matrices == 2 ? 2 : 0; }

/// How much longer than their arithmetic the experts of `part` take, because they wait for weights.
double waiting(const ExpertPart& part, double tokens, double weights, double row) {
  // E[max(w, n r)] over n > 0 is n r, and w - n r more while n <= w / r. The sum of n P(n) up to m is the mean times
  // P(n - 1 of one trial less <= m - 1).
  const bool chosen = part.loads.most > 0;
  const double trials = std::max(1.0, tokens), mean = chosen ? part.loads.mean : part.rows / part.experts;
  const double chance = std::min(1.0, mean / trials), least = chosen ? part.loads.least : 1;
  const double most = std::min(std::floor(weights / row), chosen ? part.loads.most : trials);
  if (most < least) {
    return 0;
  }
  const auto between = [chance](double from, double to, double of) {
    return binomial_at_most(to, of, chance) - binomial_at_most(from - 1, of, chance);
  };
  // Of all experts, how many are used is known better than by the binomial.
  const double used = part.distinct / part.experts;
  const double within = chosen ? between(least, most, trials)
                               : std::clamp(binomial_at_most(most, trials, chance) - (1 - used), 0.0, used);
  const double rows_within = mean * between(least - 1, most - 1, trials - 1);
  return part.experts * std::max(0.0, weights * within - row * rows_within);
}

}  // namespace

ExpertTimes expert_times(const GroupedGemm& experts, Seconds per_flop, BytesPerSecond memory, bool activation_apart) {
  const auto demand = [&](double rows) {
    return work(Operator{.kind = OperatorKind::experts, .label = "experts", .shape = part_of(experts, {1, rows, 1})});
  };
  const Work one = demand(1), two = demand(2);
  const Bytes apart =
      experts.activations.bytes(activation_apart ? activation_elements(experts.matrices) * experts.width : 0);
  return {one.weights / memory, (two.activations - one.activations - apart) / memory,
          Seconds{(two.flops - one.flops).value * per_flop.value}, apart / memory};
}

Seconds in_series(const ExpertPart& part, double tokens, const ExpertTimes& times) {
  if (part.experts <= 0 || part.rows <= 0) {
    return {};
  }
  const double weights = times.weights.value, row = times.row_compute.value - times.row_memory.value;
  const double memory = part.distinct * weights + part.rows * times.row_memory.value;
  const double compute = part.rows * times.row_compute.value;
  const double waits = row <= 0 || part.even ? 0 : waiting(part, tokens, weights, row);
  return Seconds{std::max(memory, row <= 0 ? 0 : compute + waits) + part.rows * times.row_apart.value};
}

double most_near_memory(const ExpertTimes& processor, const ExpertTimes& memory, double tokens) {
  const auto seconds = [](const ExpertTimes& of, double rows) {
    return std::max(of.weights.value + rows * of.row_memory.value, rows * of.row_compute.value) +
           rows * of.row_apart.value;
  };
  const auto sooner = [&](double rows) { return seconds(memory, rows) < seconds(processor, rows); };
  // Both grow by lines that get steeper: they cross where the processor waits for weights and the other computes, if
  // the one beside the memory is sooner with a single token.
  double low = 0, high = std::max(1.0, std::floor(tokens));
  if (!sooner(1)) {
    return 0;
  }
  if (sooner(high)) {
    return high;
  }
  low = 1;
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (sooner(middle) ? low : high) = middle;
  }
  return low;
}

ExpertParts by_load(const ExpertPart& part, double tokens, const ExpertTimes& processor, const ExpertTimes& memory) {
  const double most = most_near_memory(processor, memory, tokens);
  const LoadSplit split = split_by_load(part, tokens, most);
  ExpertParts out{split.heavy, split.light};
  if (!part.even && out.processor.rows > 0 && out.memory.rows > 0) {
    const double mean = part.rows / part.experts;
    out.memory.experts = out.processor.experts = part.experts;
    out.memory.loads = {1, most, mean};
    out.processor.loads = {most + 1, std::max(1.0, tokens), mean};
  }
  // A unit that is later with few tokens may be sooner with many.
  const Seconds here = in_series(part, tokens, processor), there = in_series(part, tokens, memory);
  if (std::min(here, there) < in_series(out.processor, tokens, processor) + in_series(out.memory, tokens, memory)) {
    return here < there ? ExpertParts{part, {}} : ExpertParts{{}, part};
  }
  return out;
}

}  // namespace moesaic
