// Feature rows sorted into bins, as tree fits need them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "calibrate/boosted_trees.hpp"

namespace moesaic {

/// One feature that is not constant.
struct BinnedFeature {
  std::size_t index = 0;
  std::vector<float> thresholds;   ///< ascending, between neighbouring values; a row in bin b exceeds the first b
  std::vector<std::uint8_t> bins;  ///< of each row
};

/// At most `most` + 1 <= 256 bins a feature, with about equally many rows where values are many.
std::vector<BinnedFeature> bin_features(std::span<const FeatureRow> rows, std::size_t most);

/// Weights of iteratively reweighted least squares for the pseudo-Huber loss.
void pseudo_huber_weights(std::span<const double> residuals, double scale, std::vector<double>& weights);

}  // namespace moesaic
