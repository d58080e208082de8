#include "model/busiest_rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "model/rank_blocks.hpp"
#include "model/sampling.hpp"

namespace moesaic {
namespace {

constexpr double kFewPairs = 32;         // up to here the fixed total is enforced exactly
constexpr double kNormalVariance = 144;  // above, rows are continuous
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Chances of first, first+1, ... rows.
struct Lattice {
  double first = 0;
  std::vector<double> chances;
  std::vector<double> up_to;

  double last() const { return first + static_cast<double>(chances.size()) - 1; }
  double chance(double rows) const { return rows > last() ? 0 : chances[static_cast<std::size_t>(rows - first)]; }
  double at_most(double rows) const { return rows >= last() ? 1 : up_to[static_cast<std::size_t>(rows - first)]; }
};

// Panjer's class, p(j+1)/p(j) = a + b/(j+1): binomial, Poisson or negative binomial as the variance is below, at or
// above the mean. Normalised over the window, so that the smallest chances need not be representable.
Lattice panjer(double mean, double variance, double first, double last) {
  if (variance < 1e-9 * (1 + mean)) {
    return {.first = std::round(mean), .chances = {1.0}, .up_to = {1.0}};
  }
  const double ratio = mean / variance;
  const double a = 1 - ratio, b = mean * ratio - a;
  Lattice lattice{.first = first, .chances = {1.0}, .up_to = {}};
  for (double rows = first; rows < last; ++rows) {
    const double next = lattice.chances.back() * (a + b / (rows + 1));
    if (!(next > 0)) {
      break;
    }
    lattice.chances.push_back(next);
  }
  const double sum = std::accumulate(lattice.chances.begin(), lattice.chances.end(), 0.0);
  std::for_each(lattice.chances.begin(), lattice.chances.end(), [&](double& chance) { chance /= sum; });
  lattice.up_to.resize(lattice.chances.size());
  std::partial_sum(lattice.chances.begin(), lattice.chances.end(), lattice.up_to.begin());
  return lattice;
}

using Polynomial = std::vector<double>;

Polynomial multiply(const Polynomial& a, const Polynomial& b, std::size_t degree) {
  Polynomial product(std::min(a.size() + b.size() - 1, degree + 1), 0.0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size() && i + j < product.size(); ++j) {
      product[i + j] += a[i] * b[j];
    }
  }
  return product;
}

Polynomial power(Polynomial base, double exponent, std::size_t degree) {
  Polynomial result = {1.0};
  for (auto bits = static_cast<std::uint64_t>(exponent); bits > 0; bits >>= 1) {
    if ((bits & 1) != 0) {
      result = multiply(result, base, degree);
    }
    if (bits > 1) {
      base = multiply(base, base, degree);
    }
  }
  return result;
}

}  // namespace

void check_ranks(std::int64_t experts, std::int64_t ranks) {
  if (ranks < 1 || ranks > experts) {
    throw UserError(fmt::format("expert parallelism over {} ranks; allowed: 1 to the number of experts, {}", ranks, experts));
  }
}

// Distribution of the maximum, fed in ascending rows with P(max <= rows).
class BusiestRank::Maximum {
 public:
  struct Case {
    std::size_t group;
    double chance, rows;  // that a rank of this group is the busiest, with so many rows
  };

  /// Not `detailed`: two cases a group with the right mean and deviation of its rows.
  Maximum(std::size_t groups, bool detailed) : detailed_(detailed), moments_(groups) {}

  /// `claims[g]`: how likely a rank of group g is the one that has `rows`, on any common scale.
  void add(double rows, double at_most, std::span<const double> claims) {
    const double gain = std::max(at_most - at_most_, 0.0);
    const double claimed = std::accumulate(claims.begin(), claims.end(), 0.0);
    at_most_ += gain;
    rows_ += rows * gain;
    for (std::size_t g = 0; g < claims.size() && claimed > 0; ++g) {
      const double chance = gain * claims[g] / claimed;
      if (detailed_ && chance > kNegligible) {
        cases_.push_back({g, chance, rows});
      }
      moments_[g][0] += chance;
      moments_[g][1] += chance * rows;
      moments_[g][2] += chance * rows * rows;
    }
  }

  double rows() const { return rows_ / at_most_; }
  std::vector<Case> cases() const {
    std::vector<Case> result = cases_;
    for (std::size_t g = 0; g < moments_.size() && !detailed_; ++g) {
      if (const double chance = moments_[g][0]; chance > kNegligible) {
        const double mean = moments_[g][1] / chance;
        const double deviation = std::sqrt(std::max(moments_[g][2] / chance - mean * mean, 0.0));
        result.push_back({g, chance / 2, mean - deviation});
        result.push_back({g, chance / 2, mean + deviation});
      }
    }
    return result;
  }

 private:
  static constexpr double kNegligible = 1e-7;
  bool detailed_;
  double at_most_ = 0, rows_ = 0;
  std::vector<std::array<double, 3>> moments_;
  std::vector<Case> cases_;
};

BusiestRank::BusiestRank(const Routing& routing, std::int64_t ranks)
    : routing_(routing),
      spreads_(draw_spreads(routing.inclusion(), routing.top_k())),
      spread_(std::accumulate(spreads_.begin(), spreads_.end(), 0.0)),
      ranks_(static_cast<double>(ranks)) {
  check_ranks(routing.experts(), ranks);
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const ExpertBlock block = expert_block(routing.experts(), ranks, rank);
    if (routing.is_uniform() && !groups_.empty() && groups_.back().experts == block.count) {
      groups_.back().ranks += 1;
      continue;
    }
    Group group{.first = block.first, .experts = block.count};
    for (std::size_t e = block.first; e < block.first + block.count; ++e) {
      group.mean += routing.inclusion()[e];
      group.spread += spreads_[e];
    }
    groups_.push_back(group);
  }
}

RankLoad BusiestRank::load(double tokens) const {
  if (!(tokens > 0)) {
    return {};
  }
  const double below = std::floor(tokens), part = tokens - below;
  const RankLoad low = below > 0 ? whole(below) : RankLoad{};
  if (part == 0) {
    return low;
  }
  const RankLoad high = whole(below + 1);
  return {low.rows + part * (high.rows - low.rows), low.distinct + part * (high.distinct - low.distinct)};
}

// Conditioning lattice variables on their total removes a little more variance than C_r^2/C: the factor (M-1)/M, with M
// the slots of all ranks together.
double BusiestRank::on_lattice(double tokens) const {
  const double top_k = static_cast<double>(routing_.top_k());
  const double per_pair = spread_ / top_k;
  return per_pair < 1 - 1e-9 ? (tokens * top_k - 1) / (tokens * top_k - per_pair) : 1;
}

std::vector<BusiestRank::Marginal> BusiestRank::marginals(double tokens) const {
  std::vector<Marginal> result;
  for (const Group& group : groups_) {
    result.push_back({tokens * group.mean, tokens * group.spread * on_lattice(tokens)});
  }
  if (tokens * static_cast<double>(routing_.top_k()) <= kFewPairs || groups_.size() < 2 || routing_.is_uniform()) {
    return result;
  }
  std::size_t top = 0, second = 1;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].mean > groups_[top].mean) {
      second = std::exchange(top, g);
    } else if (g != top && groups_[g].mean > groups_[second].mean) {
      second = g;
    }
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const double rival = groups_[g == top ? second : top].spread;
    result[g].variance *= 1 - (groups_[g].spread - rival) / spread_;
  }
  return result;
}

RankLoad BusiestRank::whole(double tokens) const {
  const double pairs = tokens * static_cast<double>(routing_.top_k());
  if (ranks_ == 1) {
    return {pairs, routing_.distinct(tokens)};
  }
  if (routing_.top_k() == routing_.experts()) {
    return {tokens * static_cast<double>(groups_.front().experts), static_cast<double>(groups_.front().experts)};
  }
  const std::vector<Marginal> ranks = marginals(tokens);
  const auto widest = std::max_element(ranks.begin(), ranks.end(),
                                       [](const Marginal& a, const Marginal& b) { return a.variance < b.variance; });
  Maximum maximum(groups_.size(), pairs <= kFewPairs || groups_.size() <= 2);
  if (pairs > kFewPairs && widest->variance > kNormalVariance) {
    tally_normal(ranks, maximum);
  } else {
    tally_lattice(ranks, tokens, maximum);
  }
  RankLoad load{.rows = std::min(maximum.rows(), pairs)};
  double chance = 0;
  for (const Maximum::Case& one : maximum.cases()) {
    load.distinct += one.chance * distinct(groups_[one.group], tokens, one.rows);
    chance += one.chance;
  }
  load.distinct /= chance;
  return load;
}

// claims[g]: chance that rank g reaches the rows, over the number of ranks that do: the integral over u in (0, 1) of
// reach_g * product over the others s of (1 - reach_s (1 - u)), by Gauss-Legendre.
void share_ties(std::span<const double> reaches, std::span<double> claims) {
  static constexpr std::array<std::array<double, 2>, 3> kGauss = {
      {{0.1127016653792583, 5.0 / 18}, {0.5, 8.0 / 18}, {0.8872983346207417, 5.0 / 18}}};
  std::fill(claims.begin(), claims.end(), 0.0);
  for (const auto& [u, weight] : kGauss) {
    double product = weight;
    for (const double reach : reaches) {
      product *= 1 - reach * (1 - u);
    }
    for (std::size_t g = 0; g < reaches.size(); ++g) {
      claims[g] += product * reaches[g] / (1 - reaches[g] * (1 - u));
    }
  }
}

// Rows of one rank, with each of its experts' own distribution.
Lattice sum_of_experts(std::span<const double> inclusion, std::span<const double> spreads, double tokens, double lattice,
                       std::size_t degree) {
  Lattice sum{.first = 0, .chances = {1.0}, .up_to = {}};
  for (std::size_t e = 0; e < inclusion.size(); ++e) {
    const double mean = tokens * inclusion[e], variance = tokens * spreads[e] * lattice;
    const Lattice expert = panjer(mean, variance, 0, std::min(std::ceil(mean + 9 * std::sqrt(variance) + 8), tokens));
    sum.chances = multiply(sum.chances, expert.chances, degree);
    sum.chances.insert(sum.chances.begin(), static_cast<std::size_t>(expert.first), 0.0);
  }
  sum.up_to.resize(sum.chances.size());
  std::partial_sum(sum.chances.begin(), sum.chances.end(), sum.up_to.begin());
  return sum;
}

void BusiestRank::tally_lattice(const std::vector<Marginal>& ranks, double tokens, Maximum& maximum) const {
  const double pairs = tokens * static_cast<double>(routing_.top_k());
  const bool few = pairs <= kFewPairs;
  std::vector<Lattice> lattices;
  double first = 0, last = 0;
  for (std::size_t g = 0; g < ranks.size(); ++g) {
    const Marginal& rank = ranks[g];
    const double width = 8 * std::sqrt(rank.variance) + 1;
    lattices.push_back(few && !routing_.is_uniform()
                           ? sum_of_experts(routing_.inclusion().subspan(groups_[g].first, groups_[g].experts), std::span(spreads_).subspan(groups_[g].first, groups_[g].experts), tokens, on_lattice(tokens), static_cast<std::size_t>(pairs))
                           : panjer(rank.mean, rank.variance, few ? 0 : std::max(std::floor(rank.mean - width), 0.0),
                                    few ? std::min(pairs, tokens*static_cast<double>(groups_[g].experts)) : std::ceil(rank.mean + width + 12)));
    first = std::max(first, lattices.back().first);
    last = std::max(last, lattices.back().last());
  }
  const auto degree = static_cast<std::size_t>(pairs);
  const auto total_with_at_most = [&](double rows) {
    Polynomial sum = {1.0};
    for (std::size_t g = 0; g < lattices.size(); ++g) {
      Polynomial cut = lattices[g].chances;
      cut.resize(std::min(cut.size(), static_cast<std::size_t>(rows) + 1));
      sum = multiply(sum, power(std::move(cut), groups_[g].ranks, degree), degree);
    }
    return sum.size() > degree ? sum[degree] : 0;
  };
  const double total = few ? total_with_at_most(pairs) : 0;
  std::vector<double> reaches(ranks.size()), claims(ranks.size());
  for (double rows = first, at_most = 0; rows <= last && at_most < 1 - 1e-9; ++rows) {
    double product = 1;
    for (std::size_t g = 0; g < lattices.size(); ++g) {
      const double below = lattices[g].at_most(rows);
      reaches[g] = below > 0 ? lattices[g].chance(rows) / below : 0;
      product *= std::pow(below, groups_[g].ranks);
    }
    at_most = few && total > 0 ? total_with_at_most(rows) / total : product;
    share_ties(reaches, claims);
    maximum.add(rows, at_most, claims);
  }
}

void BusiestRank::tally_normal(const std::vector<Marginal>& ranks, Maximum& maximum) const {
  double first = -kInfinity, last = -kInfinity, step = kInfinity;
  const auto deviation = [](const Marginal& rank) { return std::sqrt(std::max(rank.variance, 1.0 / 12)); };
  for (const Marginal& rank : ranks) {
    first = std::max(first, rank.mean - 6 * deviation(rank));
    last = std::max(last, rank.mean + 7 * deviation(rank));
  }
  for (const Marginal& rank : ranks) {
    if (rank.mean + 7 * deviation(rank) > first) {
      step = std::min(step, deviation(rank) / 2);
    }
  }
  step = std::max(step, (last - first) / 200);
  std::vector<double> claims(ranks.size());
  for (double rows = first; rows < last; rows += step) {
    double product = 1;
    for (std::size_t g = 0; g < ranks.size(); ++g) {
      claims[g] = 0;
      const double z = (rows - ranks[g].mean) / deviation(ranks[g]);
      if (z < 7) {
        const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
        const double skew = (2 * ranks[g].variance / ranks[g].mean - 1) / deviation(ranks[g]);
        const double below = std::clamp(std::erfc(-z / M_SQRT2) / 2 - density * skew / 6 * (z * z - 1), 1e-12, 1.0);
        claims[g] = groups_[g].ranks * density / deviation(ranks[g]) / below;
        product *= std::pow(below, groups_[g].ranks);
      }
    }
    maximum.add(rows - step / 2, product, claims);
  }
}

double BusiestRank::distinct(const Group& group, double tokens, double rows) const {
  const double experts = static_cast<double>(routing_.experts()), top_k = static_cast<double>(routing_.top_k());
  // Slots of an expert under equal popularity: 1 for one token, growing by E-1/E k/(k-1) a token.
  const double first = top_k > 1 ? 1 / (1 + (tokens - 1) * top_k * (experts - 1) / (experts * (top_k - 1))) : 0;
  const auto slots_of = [&](std::size_t e) {
    const double p = routing_.inclusion()[e], c = spreads_[e] * (1 - first * spreads_[e] / spread_);
    return p > c * (1 + 1e-12) ? tokens * p * p / (p - c) : kInfinity;
  };
  const auto used = [&](double mine, double slots) {
    const double draws = std::min(slots, rows);
    const double each = mine / draws / (1 - (draws - 1) * mine / (2 * slots * rows));
    return each < 1 ? -std::expm1(draws * std::log1p(-each)) : 1;
  };
  double sum = 0;
  if (routing_.is_uniform()) {
    const double count = static_cast<double>(group.experts);
    sum = count * used(rows / count, slots_of(group.first));
    return std::min({sum, rows, count});
  }
  std::vector<double> slots, odds, mine;
  for (std::size_t e = group.first; e < group.first + group.experts; ++e) {
    const double p = tokens * routing_.inclusion()[e];
    if (p > 0) {
      slots.push_back(slots_of(e));
      odds.push_back(p / (1 - std::min(p / slots.back(), 1 - 1e-9)));
    }
  }
  mine.resize(odds.size());
  double tilt = 0;
  for (int iteration = 0; iteration < 20; ++iteration) {
    double total = 0, slope = 0;
    const double factor = std::exp(tilt);
    for (std::size_t i = 0; i < odds.size(); ++i) {
      mine[i] = odds[i] * factor / (1 + odds[i] * factor / slots[i]);
      total += mine[i];
      slope += mine[i] * (1 - mine[i] / slots[i]);
    }
    if (std::abs(total - rows) < 1e-4 * rows || slope <= 0) {
      break;
    }
    tilt += std::clamp((rows - total) / slope, -2.0, 2.0);
  }
  for (std::size_t i = 0; i < odds.size(); ++i) {
    sum += used(mine[i], slots[i]);
  }
  return std::min({sum, rows, static_cast<double>(group.experts)});
}

}  // namespace moesaic
