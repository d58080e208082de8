#include "model/expert_split.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

/// Expected experts of `part` that at least one of `tokens` tokens uses.
double used(const ExpertPart& part, double tokens) {
  if (part.experts <= 0 || part.rows <= 0) {
    return 0;
  }
  if (tokens <= 1 || part.even) {
    return std::min(part.rows, part.experts);
  }
  const double chance = std::min(1.0, part.rows / part.experts / tokens);
  return part.experts * -std::expm1(tokens * std::log1p(-chance));
}

}  // namespace

GroupedGemm part_of(const GroupedGemm& op, const ExpertPart& part) {
  GroupedGemm result = op;
  result.experts = part.experts;
  result.rows = part.rows;
  result.distinct = part.distinct;
  result.loads = part.loads;
  return result;
}

GroupedGemm with_rows(const GroupedGemm& op, double share) {
  const double all = used({op.experts, op.rows, 0, op.even}, op.tokens);
  const double fewer = used({op.experts, op.rows * share, 0, op.even}, op.tokens);
  GroupedGemm result = op;
  result.rows *= share;
  result.distinct = all > 0 ? std::min(op.distinct * fewer / all, result.rows) : 0;
  return result;
}

ResidentSplit split_resident(const GroupedGemm& op, double held, double hits) {
  ResidentSplit split;
  split.resident = {op.experts * held, op.rows * hits, 0, op.even};
  split.missing = {op.experts - split.resident.experts, op.rows - split.resident.rows, 0, op.even};
  const double resident = used(split.resident, op.tokens), missing = used(split.missing, op.tokens);
  if (resident + missing <= 0) {
    return split;
  }
  const auto most = [](const ExpertPart& part) { return std::min(part.experts, part.rows); };
  const double least = std::max(0.0, op.distinct - most(split.missing));
  split.resident.distinct =
      std::clamp(op.distinct * resident / (resident + missing), least, std::max(least, most(split.resident)));
  split.missing.distinct = op.distinct - split.resident.distinct;
  return split;
}

double binomial_at_most(double most, double trials, double chance) {
  if (most < 0) {
    return 0;
  }
  if (most >= trials || chance <= 0) {
    return 1;
  }
  if (chance >= 1) {
    return 0;
  }
  constexpr double kMostSummed = 100;
  const double mean = trials * chance, variance = mean * (1 - chance);
  if (variance > kMostSummed) {
    return 0.5 * std::erfc(-(std::floor(most) + 0.5 - mean) / std::sqrt(2 * variance));
  }
  double term = std::exp(trials * std::log1p(-chance)), sum = term;
  for (double t = 0; t + 1 <= most && t < trials; ++t) {
    term *= (trials - t) / (t + 1) * (chance / (1 - chance));
    sum += term;
  }
  return std::min(1.0, sum);
}

LoadSplit split_by_load(const ExpertPart& part, double tokens, double most) {
  LoadSplit split{part, {part.experts, 0, 0, part.even}};
  const double trials = std::max(1.0, tokens);
  if (part.experts <= 0 || part.rows <= 0 || most >= trials) {
    return split;
  }
  if (most < 1) {
    return {split.heavy, part};
  }
  if (part.even) {
    const double each = part.rows / part.distinct, fewer = std::floor(each);
    if (most >= each) {
      return split;
    }
    split.light.distinct = most >= fewer ? part.distinct * (1 - (each - fewer)) : 0;
    split.light.rows = split.light.distinct * fewer;
    split.heavy.distinct = part.distinct - split.light.distinct;
    split.heavy.rows = part.rows - split.light.rows;
    return split;
  }
  const double chance = std::min(1.0, part.rows / part.experts / trials);
  const double none = std::exp(trials * std::log1p(-std::min(chance, 1 - 1e-16)));
  const double light = (binomial_at_most(most, trials, chance) - none) / (1 - none);
  // Rows of experts with t tokens: t P(t; n, p) = n p P(t-1; n-1, p).
  const double light_rows = binomial_at_most(most - 1, trials - 1, chance);
  split.light.distinct = part.distinct * std::clamp(light, 0.0, 1.0);
  split.light.rows = std::max(part.rows * std::clamp(light_rows, 0.0, 1.0), split.light.distinct);
  split.heavy.distinct = part.distinct - split.light.distinct;
  split.heavy.rows = std::max(0.0, part.rows - split.light.rows);
  return split;
}

}  // namespace moesaic
