#include "model/optimal_placement.hpp"

#include <cstddef>

namespace moesaic {

OptimalPlacement optimal_placement(const LayerFlows& flows, const RankGrid& grid, const OptimalOptions& options) {
  check_grid(grid);
  const auto experts = static_cast<std::size_t>(flows.experts), ranks = static_cast<std::size_t>(grid.ranks);
  OptimalPlacement result;
  std::vector<ExpertClusters> clusters;
  for (const std::vector<double>& loads : flows.loads) {
    const ExpertClusters& best = clusters.emplace_back(optimal_clusters(loads, grid.ranks, options));
    result.deviation.value += best.deviation.value;
    result.deviation.bound += best.deviation.bound;
    result.in_time = result.in_time && best.in_time;
  }
  std::vector<std::vector<double>> between;
  for (std::size_t layer = 0; layer + 1 < flows.layers(); ++layer) {
    std::vector<double>& flow = between.emplace_back(ranks * ranks, 0.0);
    for (std::size_t a = 0; a < ranks; ++a) {
      for (std::size_t b = 0; b < ranks; ++b) {
        for (const std::int32_t from : clusters[layer].clusters[a]) {
          for (const std::int32_t to : clusters[layer + 1].clusters[b]) {
            flow[a * ranks + b] +=
                flows.between[layer][static_cast<std::size_t>(from) * experts + static_cast<std::size_t>(to)];
          }
        }
      }
    }
  }
  const ClusterRanks assigned = optimal_cluster_ranks(between, grid, options);
  result.worst = assigned.worst;
  result.in_time = result.in_time && assigned.in_time;
  const std::size_t slots = experts / ranks;
  for (std::size_t layer = 0; layer < flows.layers(); ++layer) {
    ExpertPlacement& placement =
        result.layers.emplace_back(ExpertPlacement{flows.experts, grid, std::vector<std::int32_t>(experts)});
    for (std::size_t c = 0; c < ranks; ++c) {
      for (std::size_t i = 0; i < slots; ++i) {
        placement.slots[static_cast<std::size_t>(assigned.ranks[layer][c]) * slots + i] =
            clusters[layer].clusters[c][i];
      }
    }
  }
  return result;
}

}  // namespace moesaic
