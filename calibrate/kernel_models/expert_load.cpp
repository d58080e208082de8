// The routings of aiconfigurator's collectors (ai-dynamo/aiconfigurator, collector/helper.py: balanced_logits and
// _generate_power_law_distribution, Apache-2.0), from which all measurements of skewed experts come.
#include "calibrate/kernel_models/expert_load.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace moesaic {
namespace {

/// Draws of every expert's load, each through all strata of the law in an order of its own (Latin hypercube): a prime,
/// so that any multiplier gives an order.
constexpr std::uint32_t kDraws = 127;
using Strata = std::array<double, kDraws>;

/// Values of the law at the middles of equally likely strata. Its range is the collectors': loads of less than a row
/// where there are more experts than pairs.
Strata power_law(const RoutedGroup& group, double skew) {
  const bool dense = group.tokens * group.top_k > group.experts;
  const double least = dense ? 1 : 0.01, most = dense ? std::max(1.0, 0.8 * group.tokens) : 2;
  Strata strata;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const double u = (i + 0.5) / kDraws;
    if (std::abs(skew - 1) < 1e-6) {
      strata[i] = least * std::pow(most / least, u);
    } else {
      const double low = std::pow(least, 1 - skew), high = std::pow(most, 1 - skew);
      strata[i] = std::pow(low + (high - low) * u, 1 / (1 - skew));
    }
  }
  return strata;
}

std::uint64_t scramble(std::uint64_t value) {
  value = (value + 0x9E3779B97F4A7C15ULL) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

/// Loads of all experts, one draw at a time.
class Draws {
 public:
  Draws(const RoutedGroup& group, double skew) : strata_(power_law(group, skew)) {
    const auto experts = static_cast<std::size_t>(std::max(1.0, group.experts));
    for (std::size_t e = 0; e < experts; ++e) {
      const std::uint64_t hash = scramble(e);
      at_.push_back(static_cast<std::uint32_t>(hash % kDraws));
      stride_.push_back(static_cast<std::uint32_t>(1 + (hash >> 32) % (kDraws - 1)));
    }
    loads_.resize(experts);
  }

  /// Scaled so that they add up to `pairs`.
  const std::vector<double>& next(double pairs) {
    double sum = 0;
    for (std::size_t e = 0; e < loads_.size(); ++e) {
      at_[e] += stride_[e];
      at_[e] -= at_[e] >= kDraws ? kDraws : 0;
      sum += loads_[e] = strata_[at_[e]];
    }
    for (double& load : loads_) {
      load *= pairs / sum;
    }
    return loads_;
  }

 private:
  Strata strata_;
  std::vector<std::uint32_t> at_;
  std::vector<std::uint32_t> stride_;
  std::vector<double> loads_;
};

/// Whole loads of at most `tokens`, summed up by rank.
std::vector<ExpertLoad> whole_loads(const std::vector<double>& loads, const RoutedGroup& group, std::size_t held) {
  std::vector<ExpertLoad> ranks(loads.size() / held);
  double left = group.tokens * group.top_k;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    for (std::size_t e = r * held; e < (r + 1) * held; ++e) {
      const double rows = std::min(static_cast<double>(std::lround(loads[e])), group.tokens);
      ranks[r].rows += rows;
      ranks[r].distinct += rows > 0 ? 1 : 0;
      ranks[r].largest = std::max(ranks[r].largest, rows);
    }
    left -= ranks[r].rows;
  }
  // What rounding and the limit have left over or have taken too much is dealt out to the ranks in turn, to their
  // least loaded experts or from their most loaded ones.
  const double each = left / static_cast<double>(ranks.size());
  const auto most = static_cast<double>(held);
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    const double change =
        left > 0 ? std::floor(each + 1 - (static_cast<double>(r) + 0.5) / static_cast<double>(ranks.size()))
                 : std::ceil(each - 1 + (static_cast<double>(r) + 0.5) / static_cast<double>(ranks.size()));
    ExpertLoad& rank = ranks[r];
    rank.rows = std::clamp(rank.rows + change, 0.0, most * group.tokens);
    rank.distinct = std::min({most, rank.distinct + std::max(0.0, change), rank.rows});
    rank.largest = std::clamp(rank.largest, std::ceil(rank.rows / most), rank.rows);
  }
  return ranks;
}

void add(ExpertLoad& sum, const ExpertLoad& load) {
  sum.rows += load.rows / kDraws;
  sum.distinct += load.distinct / kDraws;
  sum.largest += load.largest / kDraws;
}

}  // namespace

ExpertLoad balanced_load(const RoutedGroup& group) {
  // Expert i of token t is (t + i * stride) mod experts; fewer tokens than the stride spread out over it.
  const double held = std::max(1.0, std::floor(group.experts / group.ranks));
  const double stride = std::ceil(group.experts / group.top_k);
  ExpertLoad load;
  if (group.tokens < stride) {
    std::vector<double> rows(static_cast<std::size_t>(held));
    for (double t = 0; t < group.tokens; ++t) {
      for (double i = 0; i < group.top_k; ++i) {
        const double expert = std::fmod(std::floor(t * stride / group.tokens) + i * stride, group.experts);
        if (expert < held) {
          load.largest = std::max(load.largest, ++rows[static_cast<std::size_t>(expert)]);
        }
      }
    }
    for (const double of_expert : rows) {
      load.rows += of_expert;
      load.distinct += of_expert > 0 ? 1 : 0;
    }
    return {std::max(1.0, load.rows), std::max(1.0, load.distinct), std::max(1.0, load.largest)};
  }
  // Tokens run through all experts again and again, beginning at i * stride, and so reach every expert.
  const double rounds = std::floor(group.tokens / group.experts);
  for (double i = 0; i < group.top_k; ++i) {
    const double begin = std::fmod(i * stride, group.experts), end = begin + group.tokens - rounds * group.experts;
    load.rows +=
        rounds * held + std::max(0.0, std::min(end, held) - begin) + std::max(0.0, std::min(end - group.experts, held));
  }
  return {std::max(1.0, load.rows), held, std::ceil(load.rows / held)};
}

ExpertLoad skewed_load(const RoutedGroup& group, double skew) {
  Draws draws(group, skew);
  const auto held = static_cast<std::size_t>(std::max(1.0, group.experts / group.ranks));
  ExpertLoad mean;
  for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
    const std::vector<ExpertLoad> ranks = whole_loads(draws.next(group.tokens * group.top_k), group, held);
    add(mean, *std::max_element(ranks.begin(), ranks.end(),
                                [](const ExpertLoad& a, const ExpertLoad& b) { return a.rows < b.rows; }));
  }
  mean.rows = std::max(1.0, mean.rows);
  mean.distinct = std::max(1.0, mean.distinct);
  mean.largest = std::max(1.0, mean.largest);
  return mean;
}

ExpertLoad copied_load(const RoutedGroup& group, double skew, double slots) {
  Draws draws(group, skew);
  const double pairs = group.tokens * group.top_k;
  ExpertLoad mean;
  for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
    std::vector<double> loads = draws.next(pairs);
    // The level to which copies cut all loads: the least at which the copies fit into the slots.
    double low = pairs / slots, high = pairs;
    double chosen = 0;
    for (double& load : loads) {
      load = std::min(load, group.tokens);
      chosen += load >= 0.5 ? 1 : 0;
    }
    for (int halving = 0; halving < 20; ++halving) {
      const double level = (low + high) / 2;
      double copies = 0;
      for (const double load : loads) {
        copies += std::max(1.0, std::ceil(load / level));
      }
      (copies <= slots ? high : low) = level;
    }
    const double rows = std::max(pairs / group.ranks, high);
    add(mean, {rows, std::min({slots / group.ranks, chosen * slots / group.experts / group.ranks, rows}), high});
  }
  return {std::max(1.0, mean.rows), std::max(1.0, mean.distinct), std::max(1.0, mean.largest)};
}

}  // namespace moesaic
