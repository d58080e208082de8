// A large ensemble of decision trees, for fitting only: more exact than BoostedTrees and too slow for predictions,
// which read what it says from a Lattice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "calibrate/boosted_trees.hpp"

namespace moesaic {

struct ForestOptions {
  int trees = 300;
  int leaves = 31;
  double learning_rate = 0.1;
  double scale = 0.03;  ///< of the pseudo-Huber loss
  double leaf_prior = 1;
  double least_rows = 8;  ///< of a leaf
  std::size_t bins = 200;
};

class Forest {
 public:
  /// Gradient boosting; every tree grows at its worst leaf first. Deterministic.
  static Forest fit(std::span<const FeatureRow> rows, std::span<const double> targets, const ForestOptions& options);
  double operator()(const FeatureRow& row) const;

 private:
  friend class ForestGrower;
  struct Node {
    std::int32_t feature = -1;  ///< -1: a leaf
    float threshold = 0;
    std::uint32_t left = 0;  ///< features <= threshold; right is left + 1
    float value = 0;         ///< of a leaf
  };
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> roots_;
};

}  // namespace moesaic
