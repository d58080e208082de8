#include "calibrate/binned_rows.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

std::vector<float> thresholds_of(std::span<const FeatureRow> rows, std::size_t feature, std::size_t most) {
  std::vector<float> values(rows.size());
  std::transform(rows.begin(), rows.end(), values.begin(), [&](const FeatureRow& row) { return row[feature]; });
  std::sort(values.begin(), values.end());
  std::vector<float> unique = values;
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  std::vector<float> thresholds;
  double next = 0;
  const double step = unique.size() <= most ? 0 : static_cast<double>(values.size()) / static_cast<double>(most);
  for (std::size_t i = 0; i + 1 < unique.size(); ++i) {
    const auto below = std::upper_bound(values.begin(), values.end(), unique[i]) - values.begin();
    if (static_cast<double>(below) >= next) {
      thresholds.push_back(unique[i] + (unique[i + 1] - unique[i]) / 2);
      next = static_cast<double>(below) + step;
    }
  }
  return thresholds;
}

}  // namespace

std::vector<BinnedFeature> bin_features(std::span<const FeatureRow> rows, std::size_t most) {
  MOESAIC_ASSERT(most < 256);
  std::vector<BinnedFeature> features;
  for (std::size_t f = 0; f < kFeatureCount; ++f) {
    std::vector<float> thresholds = thresholds_of(rows, f, most);
    if (thresholds.empty()) {
      continue;
    }
    std::vector<std::uint8_t> bins(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      bins[i] = static_cast<std::uint8_t>(std::lower_bound(thresholds.begin(), thresholds.end(), rows[i][f]) -
                                          thresholds.begin());
    }
    features.push_back({f, std::move(thresholds), std::move(bins)});
  }
  return features;
}

void pseudo_huber_weights(std::span<const double> residuals, double scale, std::vector<double>& weights) {
  weights.resize(residuals.size());
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    const double relative = residuals[i] / scale;
    weights[i] = 1 / std::sqrt(1 + relative * relative);
  }
}

}  // namespace moesaic
