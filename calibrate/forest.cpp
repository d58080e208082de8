#include "calibrate/forest.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "calibrate/binned_rows.hpp"

namespace moesaic {

double Forest::operator()(const FeatureRow& row) const {
  double sum = 0;
  for (const std::uint32_t root : roots_) {
    const Node* node = &nodes_[root];
    while (node->feature >= 0) {
      node = &nodes_[node->left + (row[static_cast<std::size_t>(node->feature)] > node->threshold)];
    }
    sum += static_cast<double>(node->value);
  }
  return sum;
}

class ForestGrower {
 public:
  ForestGrower(std::span<const FeatureRow> rows, std::span<const double> targets, const ForestOptions& options)
      : options_(options), residual_(targets.begin(), targets.end()), features_(bin_features(rows, options.bins)) {
    order_.resize(rows.size());
    std::iota(order_.begin(), order_.end(), 0U);
    for (const BinnedFeature& feature : features_) {
      first_bin_.push_back(bins_);
      bins_ += feature.thresholds.size() + 1;
    }
  }

  Forest run() {
    for (int tree = 0; tree < options_.trees && !features_.empty(); ++tree) {
      pseudo_huber_weights(residual_, options_.scale, weight_);
      grow();
    }
    return std::move(forest_);
  }

 private:
  struct Sum {
    double target = 0;
    double weight = 0;
    double rows = 0;
    void add(const Sum& other) {
      target += other.target;
      weight += other.weight;
      rows += other.rows;
    }
    Sum without(const Sum& other) const { return {target - other.target, weight - other.weight, rows - other.rows}; }
  };
  using Histogram = std::vector<Sum>;
  struct Leaf {
    std::uint32_t node = 0;
    std::size_t begin = 0;  ///< rows order_[begin, end)
    std::size_t end = 0;
    Sum sum;
    Histogram histogram;
    double gain = 0;  ///< of the best split
    std::size_t feature = 0;
    std::size_t bin = 0;
  };

  double score(const Sum& sum) const { return sum.target * sum.target / (sum.weight + options_.leaf_prior); }

  Histogram histogram(std::size_t begin, std::size_t end) const {
    Histogram result(bins_);
    for (std::size_t f = 0; f < features_.size(); ++f) {
      Sum* const bins = result.data() + first_bin_[f];
      const std::uint8_t* const of_row = features_[f].bins.data();
      for (std::size_t i = begin; i < end; ++i) {
        const std::uint32_t row = order_[i];
        bins[of_row[row]].add({weight_[row] * residual_[row], weight_[row], 1});
      }
    }
    return result;
  }

  void find_split(Leaf& leaf) const {
    leaf.gain = 0;
    const double whole = score(leaf.sum);
    for (std::size_t f = 0; f < features_.size(); ++f) {
      Sum left;
      for (std::size_t bin = 0; bin < features_[f].thresholds.size(); ++bin) {
        left.add(leaf.histogram[first_bin_[f] + bin]);
        const Sum right = leaf.sum.without(left);
        if (left.rows < options_.least_rows || right.rows < options_.least_rows) {
          continue;
        }
        const double gain = score(left) + score(right) - whole;
        if (gain > leaf.gain) {
          leaf.gain = gain;
          leaf.feature = f;
          leaf.bin = bin;
        }
      }
    }
  }

  void grow() {
    std::vector<Leaf> leaves(1);
    leaves[0].node = static_cast<std::uint32_t>(forest_.nodes_.size());
    forest_.roots_.push_back(leaves[0].node);
    forest_.nodes_.emplace_back();
    leaves[0].end = order_.size();
    leaves[0].histogram = histogram(0, order_.size());
    for (std::size_t bin = 0; bin <= features_[0].thresholds.size(); ++bin) {
      leaves[0].sum.add(leaves[0].histogram[bin]);
    }
    find_split(leaves[0]);
    while (leaves.size() < static_cast<std::size_t>(options_.leaves)) {
      const auto best =
          std::max_element(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) { return a.gain < b.gain; });
      if (best->gain <= 1e-12) {
        break;
      }
      leaves.push_back(split(*best));
    }
    for (const Leaf& leaf : leaves) {
      const double value = options_.learning_rate * leaf.sum.target / (leaf.sum.weight + options_.leaf_prior);
      forest_.nodes_[leaf.node].value = static_cast<float>(value);
      for (std::size_t i = leaf.begin; i < leaf.end; ++i) {
        residual_[order_[i]] -= value;
      }
    }
  }

  /// Leaves the lower part in `leaf` and returns the upper one.
  Leaf split(Leaf& leaf) {
    const BinnedFeature& feature = features_[leaf.feature];
    const auto left_node = static_cast<std::uint32_t>(forest_.nodes_.size());
    forest_.nodes_[leaf.node] = {static_cast<std::int32_t>(feature.index), feature.thresholds[leaf.bin], left_node, 0};
    forest_.nodes_.resize(forest_.nodes_.size() + 2);
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(leaf.begin);
    const auto end = order_.begin() + static_cast<std::ptrdiff_t>(leaf.end);
    const auto middle =
        std::stable_partition(begin, end, [&](std::uint32_t row) { return feature.bins[row] <= leaf.bin; });
    Leaf upper;
    upper.node = left_node + 1;
    upper.begin = static_cast<std::size_t>(middle - order_.begin());
    upper.end = leaf.end;
    Sum lower_sum;
    for (std::size_t bin = 0; bin <= leaf.bin; ++bin) {
      lower_sum.add(leaf.histogram[first_bin_[leaf.feature] + bin]);
    }
    upper.sum = leaf.sum.without(lower_sum);
    const bool upper_is_smaller = upper.end - upper.begin < upper.begin - leaf.begin;
    Histogram smaller = upper_is_smaller ? histogram(upper.begin, upper.end) : histogram(leaf.begin, upper.begin);
    Histogram larger = std::move(leaf.histogram);
    for (std::size_t i = 0; i < larger.size(); ++i) {
      larger[i] = larger[i].without(smaller[i]);
    }
    upper.histogram = std::move(upper_is_smaller ? smaller : larger);
    leaf.histogram = std::move(upper_is_smaller ? larger : smaller);
    leaf.node = left_node;
    leaf.end = upper.begin;
    leaf.sum = lower_sum;
    find_split(leaf);
    find_split(upper);
    return upper;
  }

  ForestOptions options_;
  std::vector<double> residual_;
  std::vector<double> weight_;
  std::vector<BinnedFeature> features_;
  std::vector<std::size_t> first_bin_;
  std::size_t bins_ = 0;
  std::vector<std::uint32_t> order_;
  Forest forest_;
};

Forest Forest::fit(std::span<const FeatureRow> rows, std::span<const double> targets, const ForestOptions& options) {
  MOESAIC_ASSERT(rows.size() == targets.size());
  return ForestGrower(rows, targets, options).run();
}

}  // namespace moesaic
