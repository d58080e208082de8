// Gradient boosting of oblivious trees on binned features.
#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "calibrate/binned_rows.hpp"
#include "calibrate/boosted_trees.hpp"

namespace moesaic {
namespace {

class Booster {
 public:
  Booster(std::span<const FeatureRow> rows, std::span<const double> targets, const BoostingOptions& options)
      : options_(options), residual_(targets.begin(), targets.end()), features_(bin_features(rows, options.bins)) {
    leaf_.resize(rows.size());
  }

  BoostedTrees run() {
    BoostedTrees result;
    for (int tree = 0; tree < options_.trees && !features_.empty(); ++tree) {
      pseudo_huber_weights(residual_, options_.scale, weight_);
      TreeSplits splits = grow();
      const std::vector<float> leaves = settle();
      result.first_leaf.push_back(static_cast<std::uint32_t>(result.leaves.size()));
      result.leaves.insert(result.leaves.end(), leaves.begin(), leaves.end());
      result.splits.push_back(splits);
    }
    return result;
  }

 private:
  struct Sum {
    double target = 0;
    double weight = 0;
  };
  struct Split {
    double gain = 0;
    std::size_t feature = 0;
    std::size_t bin = 0;
  };

  TreeSplits grow() {
    TreeSplits splits;
    splits.threshold.fill(std::numeric_limits<float>::infinity());
    std::fill(leaf_.begin(), leaf_.end(), std::uint16_t{0});
    depth_ = 0;
    for (; depth_ < static_cast<std::size_t>(options_.depth); ++depth_) {
      const Split best = best_split();
      if (best.gain <= 0) {
        break;
      }
      const BinnedFeature& feature = features_[best.feature];
      splits.feature[depth_] = static_cast<std::int32_t>(feature.index);
      splits.threshold[depth_] = feature.thresholds[best.bin];
      for (std::size_t i = 0; i < leaf_.size(); ++i) {
        leaf_[i] = static_cast<std::uint16_t>(leaf_[i] | (feature.bins[i] > best.bin) << depth_);
      }
    }
    return splits;
  }

  double score(const Sum& sum) const { return sum.target * sum.target / (sum.weight + options_.leaf_prior); }

  /// The question that, asked of all leaves, explains most of the residual.
  Split best_split() {
    const std::size_t leaves = std::size_t{1} << depth_;
    std::vector<Sum> whole(leaves);
    for (std::size_t i = 0; i < leaf_.size(); ++i) {
      whole[leaf_[i]].target += weight_[i] * residual_[i];
      whole[leaf_[i]].weight += weight_[i];
    }
    double before = 0;
    for (const Sum& sum : whole) {
      before += score(sum);
    }
    Split best{before * (1 + 1e-9) + 1e-12, 0, 0};
    bool found = false;
    for (std::size_t f = 0; f < features_.size(); ++f) {
      const std::size_t bins = features_[f].thresholds.size() + 1;
      histogram_.assign(leaves * bins, {});
      const std::vector<std::uint8_t>& row_bins = features_[f].bins;
      for (std::size_t i = 0; i < leaf_.size(); ++i) {
        Sum& sum = histogram_[leaf_[i] * bins + row_bins[i]];
        sum.target += weight_[i] * residual_[i];
        sum.weight += weight_[i];
      }
      gains_.assign(bins - 1, 0);
      for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
        Sum left;
        for (std::size_t bin = 0; bin + 1 < bins; ++bin) {
          left.target += histogram_[leaf * bins + bin].target;
          left.weight += histogram_[leaf * bins + bin].weight;
          gains_[bin] += score(left) + score({whole[leaf].target - left.target, whole[leaf].weight - left.weight});
        }
      }
      for (std::size_t bin = 0; bin + 1 < bins; ++bin) {
        if (gains_[bin] > best.gain) {
          best = {gains_[bin], f, bin};
          found = true;
        }
      }
    }
    return found ? best : Split{};
  }

  /// Leaf values, taken off the residuals.
  std::vector<float> settle() {
    std::vector<Sum> sums(std::size_t{1} << depth_);
    for (std::size_t i = 0; i < leaf_.size(); ++i) {
      sums[leaf_[i]].target += weight_[i] * residual_[i];
      sums[leaf_[i]].weight += weight_[i];
    }
    std::vector<float> leaves;
    leaves.reserve(sums.size());
    for (const Sum& sum : sums) {
      leaves.push_back(static_cast<float>(options_.learning_rate * sum.target / (sum.weight + options_.leaf_prior)));
    }
    for (std::size_t i = 0; i < leaf_.size(); ++i) {
      residual_[i] -= static_cast<double>(leaves[leaf_[i]]);
    }
    return leaves;
  }

  BoostingOptions options_;
  std::vector<double> residual_;
  std::vector<double> weight_;
  std::vector<BinnedFeature> features_;
  std::vector<std::uint16_t> leaf_;
  std::vector<Sum> histogram_;
  std::vector<double> gains_;
  std::size_t depth_ = 0;
};

}  // namespace

BoostedTrees boost(std::span<const FeatureRow> rows, std::span<const double> targets, const BoostingOptions& options) {
  MOESAIC_ASSERT(rows.size() == targets.size());
  MOESAIC_ASSERT(options.depth <= static_cast<int>(kTreeDepth));
  return Booster(rows, targets, options).run();
}

}  // namespace moesaic
