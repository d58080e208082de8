#include "base/statistics.hpp"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <utility>

#include "base/error.hpp"

namespace moesaic {

double mean(const std::vector<double>& values) {
  MOESAIC_ASSERT(!values.empty());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

double percentile(std::vector<double> values, double fraction) {
  MOESAIC_ASSERT(!values.empty());
  MOESAIC_ASSERT(fraction >= 0 && fraction <= 1);
  const double rank = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const auto at_rank = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), at_rank, values.end());
  const double share = rank - static_cast<double>(below);
  if (share == 0) {
    return *at_rank;
  }
  return std::lerp(*at_rank, *std::min_element(at_rank + 1, values.end()), share);
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

double normal_quantile(double probability) {
  MOESAIC_ASSERT(probability > 0 && probability < 1);
  return -std::numbers::sqrt2 * boost::math::erfc_inv(2 * probability);
}

}  // namespace moesaic
