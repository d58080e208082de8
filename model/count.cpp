#include "model/count.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

namespace moesaic {
namespace {

constexpr double kNegligibleTail = 1e-9;
constexpr double kRareCase = 1e-4;

void finish(Count& count) {
  const double all = std::accumulate(count.chances.begin(), count.chances.end(), 0.0);
  std::for_each(count.chances.begin(), count.chances.end(), [&](double& chance) { chance /= all; });
  count.up_to.resize(count.chances.size());
  std::partial_sum(count.chances.begin(), count.chances.end(), count.up_to.begin());
}

using Polynomial = std::vector<double>;

// product = a b without powers above `degree`.
void multiply(std::span<const double> a, std::span<const double> b, std::size_t degree, Polynomial& product) {
  if (a.size() > b.size()) {
    std::swap(a, b);
  }
  product.assign(std::min(a.size() + b.size() - 1, degree + 1), 0.0);
  for (std::size_t i = 0; i < std::min(a.size(), product.size()); ++i) {
    const std::size_t end = std::min(b.size(), product.size() - i);
    for (std::size_t j = 0; j < end; ++j) {
      product[i + j] += a[i] * b[j];
    }
  }
}

// result *= base^exponent
void multiply_power(Polynomial& result, std::span<const double> base, double exponent, std::size_t degree) {
  Polynomial product, power(base.begin(), base.end());
  for (auto bits = static_cast<std::uint64_t>(exponent); bits > 0; bits >>= 1) {
    if ((bits & 1) != 0) {
      multiply(result, power, degree, product);
      result.swap(product);
    }
    if (bits > 1) {
      multiply(power, power, degree, product);
      power.swap(product);
    }
  }
}

// P(all at most `value` and their sum is `total`).
double total_chance(std::span<const Count> counts, std::span<const double> alike, double value, double total) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total -= counts[i].first * alike[i];
    if (total < 0 || value < counts[i].first) {
      return 0;
    }
  }
  const auto degree = static_cast<std::size_t>(total);
  Polynomial chances = {1.0}, product;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto kept = static_cast<std::size_t>(std::min(value, counts[i].last()) - counts[i].first) + 1;
    const auto possible = std::span(counts[i].chances).first(kept);
    if (alike[i] == 1) {
      multiply(chances, possible, degree, product);
      chances.swap(product);
    } else {
      multiply_power(chances, possible, alike[i], degree);
    }
  }
  return chances.size() > degree ? chances[degree] : 0;
}

// claims[i]: chance that i reaches the value, over the number of those that do: the integral over u in (0, 1) of
// reach_i times the product over the others j of 1 - reach_j (1 - u), by Gauss-Legendre.
void share_ties(std::span<const double> reaches, std::span<double> claims) {
  constexpr double kUnlikely = 1e-6;
  static constexpr std::array<std::array<double, 2>, 3> kGauss = {
      {{0.1127016653792583, 5.0 / 18}, {0.5, 8.0 / 18}, {0.8872983346207417, 5.0 / 18}}};
  std::fill(claims.begin(), claims.end(), 0.0);
  for (const auto& [u, weight] : kGauss) {
    double product = weight;
    for (const double reach : reaches) {
      product *= 1 - reach * (1 - u);
    }
    for (std::size_t i = 0; i < reaches.size(); ++i) {
      claims[i] += reaches[i] > kUnlikely ? product * reaches[i] / (1 - reaches[i] * (1 - u)) : 0;
    }
  }
}

}  // namespace

Count count_with(Moments moments, double most) {
  const auto [mean, variance] = moments;
  if (variance < 1e-9 * (1 + mean)) {
    return {.first = std::round(mean), .chances = {1.0}, .up_to = {1.0}};
  }
  const double width = 8 * std::sqrt(variance) + 1;
  Count count{.first = std::max(std::floor(mean - width), 0.0), .chances = {1.0}, .up_to = {}};
  const double last = std::min(std::ceil(mean + width + 12), most);
  // p(j+1)/p(j) = a + b/(j+1)
  const double a = 1 - mean / variance, b = mean * mean / variance - a;
  for (double value = count.first + 1; value <= last; ++value) {
    const double chance = count.chances.back() * (a + b / value);
    if (!(chance > 0)) {
      break;
    }
    count.chances.push_back(chance);
  }
  finish(count);
  return count;
}

Count sum(const Count& a, const Count& b, double most) {
  Count result{.first = a.first + b.first, .chances = {}, .up_to = {}};
  const double longest = std::min(most - result.first, static_cast<double>(a.chances.size() + b.chances.size()));
  multiply(a.chances, b.chances, static_cast<std::size_t>(std::max(longest, 0.0)), result.chances);
  finish(result);
  return result;
}

void Largest::add(double value, double at_most, std::span<const double> claims) {
  const double gain = std::max(at_most - at_most_, 0.0);
  const double claimed = std::accumulate(claims.begin(), claims.end(), 0.0);
  at_most_ += gain;
  sum_ += value * gain;
  for (std::size_t i = 0; i < claims.size() && claimed > 0; ++i) {
    const double chance = gain * claims[i] / claimed;
    if (detailed_ && chance > kRareCase) {
      cases_.push_back({i, chance, value});
    }
    sums_[i][0] += chance;
    sums_[i][1] += chance * value;
    sums_[i][2] += chance * value * value;
  }
}

std::vector<Largest::Case> Largest::cases() const {
  std::vector<Case> result = cases_;
  for (std::size_t i = 0; i < sums_.size() && !detailed_; ++i) {
    if (const double chance = sums_[i][0]; chance > kRareCase) {
      const double mean = sums_[i][1] / chance;
      const double deviation = std::sqrt(std::max(sums_[i][2] / chance - mean * mean, 0.0));
      result.push_back({i, chance / 2, mean - deviation});
      result.push_back({i, chance / 2, mean + deviation});
    }
  }
  return result;
}

void add_largest(std::span<const Count> counts, std::span<const double> alike, std::optional<double> total,
                 Largest& largest) {
  double first = 0, last = 0;
  for (const Count& count : counts) {
    first = std::max(first, count.first);
    last = std::max(last, count.last());
  }
  const double possible = total ? total_chance(counts, alike, last, *total) : 0;
  std::vector<double> reaches(counts.size()), claims(counts.size());
  for (double value = first, at_most = 0; value <= last && at_most < 1 - kNegligibleTail; ++value) {
    double product = 1;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double below = counts[i].at_most(value);
      reaches[i] = below > 0 ? counts[i].chance(value) / below : 0;
      product *= alike[i] == 1 ? below : std::pow(below, alike[i]);
    }
    at_most = possible > 0 ? total_chance(counts, alike, value, *total) / possible : product;
    share_ties(reaches, claims);
    largest.add(value, at_most, claims);
  }
}

void add_largest(std::span<const Moments> counts, std::span<const double> alike, Largest& largest) {
  const auto deviation = [](const Moments& count) { return std::sqrt(std::max(count.variance, 1.0 / 12)); };
  double first = 0, last = 0;
  for (const Moments& count : counts) {
    first = std::max(first, count.mean - 6 * deviation(count));
    last = std::max(last, count.mean + 7 * deviation(count));
  }
  double narrowest = last - first;
  for (const Moments& count : counts) {
    narrowest = count.mean + 7 * deviation(count) > first ? std::min(narrowest, deviation(count)) : narrowest;
  }
  const double step = std::max(narrowest / 2, (last - first) / 200);
  std::vector<double> claims(counts.size());
  for (double value = first; value < last; value += step) {
    double product = 1;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double z = (value - counts[i].mean) / deviation(counts[i]);
      claims[i] = 0;
      if (z < 7) {
        const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
        const double skewness = (2 * counts[i].variance / counts[i].mean - 1) / deviation(counts[i]);
        const double below = std::erfc(-z / M_SQRT2) / 2 - density * skewness / 6 * (z * z - 1);  // Edgeworth
        const double bounded = std::clamp(below, 1e-12, 1.0);
        claims[i] = alike[i] * density / deviation(counts[i]) / bounded;
        product *= std::pow(bounded, alike[i]);
      }
    }
    largest.add(value - step / 2, product, claims);
  }
}

}  // namespace moesaic
