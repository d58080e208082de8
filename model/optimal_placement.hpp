// The placement of MoETuner (arXiv:2502.06643): two integer programs, one that balances, one that shortens moves.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/integer_program.hpp"
#include "model/layer_flows.hpp"

namespace moesaic {

struct OptimalOptions {
  LinkRates rates;
  /// Of each program; a gap is a share: of a layer's load in the first, of the objective in the second.
  double seconds = 60;
  std::int64_t nodes = 20000;
  double gap = 1e-3;
  /// Where clusters split over nodes in at most so many ways, the second program is solved as a shortest path through
  /// the layers, else by CBC.
  std::int64_t most_splits = 500;
};

/// An objective, and a bound that no solution of its program is below.
struct Bounded {
  double value = 0;
  double bound = 0;
};

/// Experts of one layer in `clusters` equally large clusters whose loads differ least: min sum over clusters of
/// |load - mean|. MoETuner asks for at least one expert a cluster; ranks here have equally many slots. Throws UserError
/// if they do not divide, or without CBC where it is needed.
struct ExpertClusters {
  std::vector<std::vector<std::int32_t>> clusters;  ///< experts in order
  Bounded deviation;
  bool in_time = true;
};
ExpertClusters optimal_clusters(std::span<const double> loads, std::int64_t clusters, const OptimalOptions& options);

/// Ranks for the clusters of every layer: min sum over layers of the largest flow[c1, c2] / bandwidth of their ranks,
/// over pairs of different ranks. flow[layer][c1 * ranks + c2].
struct ClusterRanks {
  std::vector<std::vector<std::int32_t>> ranks;  ///< [layer][cluster]
  Bounded worst;                                 ///< in flow per (byte/s): times bytes it is seconds
  bool in_time = true;
};
ClusterRanks optimal_cluster_ranks(const std::vector<std::vector<double>>& flow, const RankGrid& grid,
                                   const OptimalOptions& options);

/// Both, for all layers. No expert is held twice.
struct OptimalPlacement {
  std::vector<ExpertPlacement> layers;
  Bounded deviation;  ///< sum over layers, in uses per token
  Bounded worst;      ///< as of ClusterRanks, for the clusters that the first program chose
  bool in_time = true;
};
OptimalPlacement optimal_placement(const LayerFlows& flows, const RankGrid& grid, const OptimalOptions& options);

}  // namespace moesaic
