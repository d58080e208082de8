#include "model/routing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "model/sampling.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostExperts = 1 << 20;
constexpr double kLargestExponent = 10;
constexpr double kLeastPopularity = 1e-200;  // of the largest: times between arrivals stay finite

void check_sizes(std::int64_t experts, std::int64_t top_k) {
  if (experts < 1 || experts > kMostExperts) {
    throw UserError(fmt::format("routing: {} experts; allowed: 1 to {}", experts, kMostExperts));
  }
  if (top_k < 1 || top_k > experts) {
    throw UserError(fmt::format("routing: top_k is {}; allowed: 1 to the number of experts, {}", top_k, experts));
  }
}

// 0 .. count-1 sorted by their bits read backwards: any aligned power-of-two block holds one residue class.
std::vector<std::size_t> bit_reversed_order(std::size_t count) {
  const auto bits = static_cast<int>(std::bit_width(count - 1));
  std::vector<std::size_t> order;
  order.reserve(count);
  for (std::size_t i = 0; i < std::size_t{1} << bits; ++i) {
    std::size_t reversed = 0;
    for (int bit = 0; bit < bits; ++bit) {
      reversed |= (i >> bit & 1) << (bits - 1 - bit);
    }
    if (reversed < count) {
      order.push_back(reversed);
    }
  }
  return order;
}

}  // namespace

Routing::Routing(std::int64_t top_k, std::vector<double> popularity, std::vector<double> inclusion, bool uniform)
    : top_k_(top_k), popularity_(std::move(popularity)), inclusion_(std::move(inclusion)), uniform_(uniform) {}

Routing Routing::uniform(std::int64_t experts, std::int64_t top_k) {
  check_sizes(experts, top_k);
  const auto count = static_cast<std::size_t>(experts);
  const double inclusion = static_cast<double>(top_k) / static_cast<double>(experts);
  return {top_k, std::vector<double>(count, 1.0), std::vector<double>(count, inclusion), true};
}

Routing Routing::even(std::int64_t experts, std::int64_t top_k) {
  Routing result = uniform(experts, top_k);
  result.even_ = true;
  return result;
}

Routing Routing::zipf(std::int64_t experts, std::int64_t top_k, double exponent, bool spread) {
  check_sizes(experts, top_k);
  if (!(exponent >= 0 && exponent <= kLargestExponent)) {
    throw UserError(fmt::format("routing: zipf exponent is {}; allowed: 0 to {}", exponent, kLargestExponent));
  }
  std::vector<std::size_t> order(static_cast<std::size_t>(experts));
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (spread) {
    order = bit_reversed_order(order.size());
  }
  std::vector<double> popularity(order.size());
  std::transform(order.begin(), order.end(), popularity.begin(),
                 [&](std::size_t rank) { return std::pow(static_cast<double>(rank + 1), -exponent); });
  return histogram(top_k, std::move(popularity));
}

Routing Routing::histogram(std::int64_t top_k, std::vector<double> popularity) {
  const auto experts = static_cast<std::int64_t>(popularity.size());
  check_sizes(experts, top_k);
  for (std::size_t e = 0; e < popularity.size(); ++e) {
    if (!(popularity[e] >= 0 && std::isfinite(popularity[e]))) {
      throw UserError(
          fmt::format("routing: popularity of expert {} is {}; allowed: finite and not negative", e, popularity[e]));
    }
  }
  const double least = *std::max_element(popularity.begin(), popularity.end()) * kLeastPopularity;
  const auto tiny = std::find_if(popularity.begin(), popularity.end(), [&](double p) { return p > 0 && p < least; });
  if (tiny != popularity.end()) {
    throw UserError(fmt::format("routing: popularity of expert {} is {}; allowed: zero, or at least {} of the largest",
                                tiny - popularity.begin(), *tiny, kLeastPopularity));
  }
  const auto used = std::count_if(popularity.begin(), popularity.end(), [](double weight) { return weight > 0; });
  if (used < top_k) {
    throw UserError(
        fmt::format("routing: only {} experts have a positive popularity; top_k {} needs as many", used, top_k));
  }
  const auto different = std::adjacent_find(popularity.begin(), popularity.end(), std::not_equal_to<>());
  if (different == popularity.end() || top_k == experts) {
    return uniform(experts, top_k);
  }
  std::vector<double> inclusion = inclusion_probabilities(popularity, top_k);
  return {top_k, std::move(popularity), std::move(inclusion), false};
}

Routing Routing::trace(std::int64_t experts, std::int64_t top_k, std::span<const std::int32_t> chosen) {
  check_sizes(experts, top_k);
  const auto k = static_cast<std::size_t>(top_k);
  if (chosen.empty() || chosen.size() % k != 0) {
    throw UserError(fmt::format("trace has {} entries; needs a positive multiple of top_k, {}", chosen.size(), top_k));
  }
  const std::size_t tokens = chosen.size() / k;
  std::vector<double> counts(static_cast<std::size_t>(experts), 0.0);
  std::vector<std::size_t> last_token(counts.size(), tokens);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] < 0 || chosen[i] >= experts) {
      throw UserError(
          fmt::format("trace entry {} (token {}) is expert {}; allowed: 0 to {}", i, i / k, chosen[i], experts - 1));
    }
    const auto expert = static_cast<std::size_t>(chosen[i]);
    if (std::exchange(last_token[expert], i / k) == i / k) {
      throw UserError(fmt::format("trace entry {}: token {} chooses expert {} twice", i, i / k, expert));
    }
    counts[expert] += 1;
  }
  std::vector<double> inclusion(counts.size()), popularity(counts.size());
  for (std::size_t e = 0; e < counts.size(); ++e) {
    inclusion[e] = counts[e] / static_cast<double>(tokens);
    // Weights that reproduce the inclusion: exactly for one draw, else closely (the race of sampling.cpp at the time
    // when on average k have rung).
    popularity[e] = k == 1 ? inclusion[e] : -std::log1p(-inclusion[e]);
  }
  return {top_k, std::move(popularity), std::move(inclusion), k == counts.size()};
}

double Routing::distinct(double tokens) const {
  if (!(tokens > 0)) {
    return 0;
  }
  if (tokens <= 1) {
    return tokens * static_cast<double>(top_k_);
  }
  if (even_) {
    return std::min(static_cast<double>(inclusion_.size()), tokens * static_cast<double>(top_k_));
  }
  const auto used = [&](double inclusion) { return -std::expm1(tokens * std::log1p(-inclusion)); };
  if (uniform_) {
    return static_cast<double>(inclusion_.size()) * used(inclusion_.front());
  }
  return std::transform_reduce(inclusion_.begin(), inclusion_.end(), 0.0, std::plus<>(), used);
}

}  // namespace moesaic
