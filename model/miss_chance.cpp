// A place gets the share f_e of expert e's tokens, each token on its own. A token with experts S misses the place with
// chance prod over S of m_e = 1 - f_e, so the miss chance is the mean of that product over S. Let e_n(m) be the
// elementary symmetric polynomials.
//
// Without a limit S is any k of E: the mean is e_k(m) / C(E, k). With f_e = 1 on A experts that is the hypergeometric
// C(E - A, k) / C(E, k).
//
// With a limit of M groups of s experts the token takes experts in a random order of all E and skips those that would
// open group M + 1. Either its k experts lie in fewer than M groups, then no expert was skipped:
//   sum over sets J of fewer than M groups of the k-subsets that meet exactly the groups of J, over C(E, k).
// Or its t-th expert opens the M-th group. The t - 1 before it are a subset A of M - 1 groups that meets each, chance
// 1 / C(E, t - 1); the opening one has chance 1 / (E - t + 1); the k - t after it are any of the M groups' experts
// left, chance 1 / C(M s - t, k - t). Both sums run over the groups one by one: a group gives C(a + b, a) e_{a+b} for a
// of A and b after the opening, and the group opened last (1 + b) e_{1+b}.
#include "model/miss_chance.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace moesaic {
namespace {

constexpr std::int64_t kMostLimited = 16;  // experts a token under a limit; the sums cost the fourth power of it

double binomial(double n, double k) {
  double result = 1;
  for (double i = 0; i < k; ++i) {
    result *= (n - i) / (i + 1);
  }
  return result;
}

// e_0 .. e_k of `size` experts of which some have shares.
std::vector<double> symmetric(const std::vector<double>& shares, double size, std::size_t k) {
  std::vector<double> e(k + 1, 0.0);
  for (std::size_t n = 0; n <= k; ++n) {
    e[n] = binomial(size - static_cast<double>(shares.size()), static_cast<double>(n));
  }
  for (const double share : shares) {
    for (std::size_t n = k; n > 0; --n) {
      e[n] += (1 - share) * e[n - 1];
    }
  }
  return e;
}

}  // namespace

MissChance::MissChance(std::int64_t experts, std::int64_t top_k, const GroupLimit& limit)
    : experts_(experts), top_k_(top_k), limit_(limit.limits() ? limit : GroupLimit{1, 1}) {}

bool MissChance::exact(std::int64_t top_k, const GroupLimit& limit) { return !limit.limits() || top_k <= kMostLimited; }

double MissChance::operator()(const ExpertShares& shares) {
  const std::int64_t size = experts_ / limit_.groups;
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(limit_.groups));
  for (const auto& [expert, share] : shares) {
    groups[static_cast<std::size_t>(expert / size)].push_back(share);
  }
  for (std::vector<double>& group : groups) {
    std::sort(group.begin(), group.end());
  }
  std::sort(groups.begin(), groups.end());
  std::vector<double> key;
  for (const std::vector<double>& group : groups) {
    key.insert(key.end(), group.begin(), group.end());
    key.push_back(-1);
  }
  const auto [at, fresh] = known_.try_emplace(std::move(key), 0.0);
  if (fresh) {
    at->second = std::clamp(limit_.groups > 1 ? limited(groups) : unlimited(groups.front()), 0.0, 1.0);
  }
  return at->second;
}

// Expert after expert instead of binomials, which would overflow: the place's experts come last in the sum over how
// many of them are chosen.
double MissChance::unlimited(const std::vector<double>& shares) const {
  const auto experts = static_cast<double>(experts_), k = static_cast<double>(top_k_);
  const double others = experts - static_cast<double>(shares.size());
  const auto most = static_cast<std::size_t>(std::min(k, static_cast<double>(shares.size())));
  std::vector<double> mine(most + 1, 0.0);  // e_i of the place's experts
  mine[0] = 1;
  for (const double share : shares) {
    for (std::size_t i = most; i > 0; --i) {
      mine[i] += (1 - share) * mine[i - 1];
    }
  }
  const auto log_binomial = [](double n, double m) {
    return std::lgamma(n + 1) - std::lgamma(m + 1) - std::lgamma(n - m + 1);
  };
  double sum = 0;
  for (std::size_t i = 0; i <= most; ++i) {
    const double rest = k - static_cast<double>(i);
    if (rest <= others && mine[i] > 0) {
      sum += std::exp(std::log(mine[i]) + log_binomial(others, rest) - log_binomial(experts, k));
    }
  }
  return sum;
}

double MissChance::limited(const std::vector<std::vector<double>>& groups) const {
  const auto k = static_cast<std::size_t>(top_k_), limit = static_cast<std::size_t>(limit_.most);
  const auto experts = static_cast<double>(experts_), size = experts / static_cast<double>(limit_.groups);
  // few[j][n]: n experts in exactly j groups. many[j][last][a][b]: j groups before the last one, of which a experts
  // and b after its opening; whether the last one is among the groups so far.
  const std::size_t side = k + 1;
  std::vector<double> few(limit * side, 0.0), many(limit * 2 * side * side, 0.0);
  few[0] = many[0] = 1;
  const auto at = [&](std::size_t j, std::size_t last, std::size_t a, std::size_t b) {
    return ((j * 2 + last) * side + a) * side + b;
  };
  for (const std::vector<double>& group : groups) {
    const std::vector<double> e = symmetric(group, size, k);
    std::vector<double> next_few = few, next_many = many;
    for (std::size_t j = 0; j < limit; ++j) {
      for (std::size_t n = 0; j + 1 < limit && n < k; ++n) {
        for (std::size_t more = 1; n + more <= k; ++more) {
          next_few[(j + 1) * side + n + more] += few[j * side + n] * e[more];
        }
      }
      for (std::size_t last = 0; last < 2; ++last) {
        for (std::size_t a = 0; a < k; ++a) {
          for (std::size_t b = 0; a + b < k; ++b) {
            const double before = many[at(j, last, a, b)];
            if (before == 0) {
              continue;
            }
            for (std::size_t first = 1; j + 1 < limit && a + first < k; ++first) {
              for (std::size_t after = 0; a + first + b + after < k; ++after) {
                next_many[at(j + 1, last, a + first, b + after)] +=
                    before * binomial(static_cast<double>(first + after), static_cast<double>(first)) *
                    e[first + after];
              }
            }
            for (std::size_t after = 0; last == 0 && a + b + after < k; ++after) {
              next_many[at(j, 1, a, b + after)] += before * static_cast<double>(1 + after) * e[1 + after];
            }
          }
        }
      }
    }
    few.swap(next_few);
    many.swap(next_many);
  }
  double sum = 0;
  for (std::size_t j = 0; j < limit; ++j) {
    sum += few[j * side + k] / binomial(experts, static_cast<double>(k));
  }
  for (std::size_t t = limit; t <= k; ++t) {
    const auto opening = static_cast<double>(t), after = static_cast<double>(k - t);
    sum += many[at(limit - 1, 1, t - 1, k - t)] / binomial(experts, opening - 1) / (experts - opening + 1) /
           binomial(static_cast<double>(limit) * size - opening, after);
  }
  return sum;
}

}  // namespace moesaic
