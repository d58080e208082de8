// Behind optimal_cluster_ranks(): nodes and then ranks for the clusters of every layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/optimal_placement.hpp"

namespace moesaic {

/// Node of every cluster, layer after layer.
using ClusterNodes = std::vector<std::vector<int>>;

/// The flows between clusters on a grid of nodes, and what a choice of nodes costs when the ranks within nodes are
/// chosen best.
struct AssignmentProblem {
  std::vector<std::vector<double>> flow;  ///< [layer][cluster * clusters + cluster of the next]
  std::size_t clusters = 0, nodes = 1, per_node = 1;
  double per_scale_up = 0, per_network = 0;  ///< seconds a byte

  std::size_t layers() const { return flow.size() + 1; }
  double at(std::size_t layer, std::size_t from, std::size_t to) const { return flow[layer][from * clusters + to]; }
  struct Pair {
    double cost = 0;
    std::size_t from = 0, to = 0;
  };
  /// Slowest pair between a layer and the next.
  Pair slowest(std::size_t layer, const std::vector<int>& from, const std::vector<int>& to) const;
  double cost(std::size_t layer, const std::vector<int>& from, const std::vector<int>& to) const {
    return slowest(layer, from, to).cost;
  }
  double cost(const ClusterNodes& nodes_of) const;
  /// What no choice of nodes and ranks is below, between a layer and the next.
  double bound(std::size_t layer) const;
};

/// Ways to split the clusters of a layer over nodes that are alike; a large number stands for more.
double splits(std::size_t clusters, std::size_t nodes);
/// The optimum: the shortest path through the layers, whose points are the ways to split them. Needs few splits and
/// at most 64 clusters.
ClusterNodes shortest_path(const AssignmentProblem& problem);
/// Layer after layer by swaps of a cluster of the slowest pair, then again over all layers until none helps.
ClusterNodes by_swaps(const AssignmentProblem& problem);
/// MoETuner's second program, with CBC, beginning from a choice of nodes. Leaves it where nothing better is found.
struct NodeSearch {
  ClusterNodes nodes;
  double bound = 0;
  bool in_time = true;
};
NodeSearch by_integer_program(const AssignmentProblem& problem, const ClusterNodes& start,
                              const OptimalOptions& options);

}  // namespace moesaic
