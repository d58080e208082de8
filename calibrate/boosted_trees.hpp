// A sum of small decision trees: the residual surface between a kernel's physical time and its measured one.
// Every tree is oblivious: all nodes of one depth ask the same question, so a row's leaf is an integer of kTreeDepth
// bits and a tree costs one vector comparison.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace moesaic {

inline constexpr std::size_t kFeatureCount = 16;  ///< features of one row; unused ones are zero
inline constexpr std::size_t kTreeDepth = 8;
inline constexpr std::size_t kLeafCount = 1U << kTreeDepth;

using FeatureRow = std::array<float, kFeatureCount>;

/// Bit i of a row's leaf is features[feature[i]] > threshold[i]. Depths that a tree does not use ask for more than
/// infinity, which nothing is.
struct alignas(32) TreeSplits {
  std::array<std::int32_t, kTreeDepth> feature{};
  std::array<float, kTreeDepth> threshold{};
};

struct BoostedTrees {
  std::vector<TreeSplits> splits;
  std::vector<std::uint32_t> first_leaf;  ///< of each tree, into `leaves`
  std::vector<float> leaves;

  /// The sum of the leaves that the row falls into.
  float operator()(const FeatureRow& row) const;
};

struct BoostingOptions {
  int trees = 64;
  int depth = 6;  ///< at most kTreeDepth
  double learning_rate = 0.2;
  double scale = 0.03;    ///< residuals far above it count by their size, not its square (pseudo-Huber loss)
  double leaf_prior = 2;  ///< rows at zero that each leaf is thought to hold besides its own
  std::size_t bins = 64;
};

/// Fits trees to `targets`, one for each row, by gradient boosting. Deterministic.
BoostedTrees boost(std::span<const FeatureRow> rows, std::span<const double> targets, const BoostingOptions& options);

}  // namespace moesaic
