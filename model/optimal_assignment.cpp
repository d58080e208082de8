// Within two nodes that clusters of consecutive layers share, each cluster of the one layer can be put on the rank of
// one of the other, and that pair's tokens stay. Of every row and column of the flows between them all but one entry is
// sent, so the slowest is at least the largest second-largest entry; and it is no more, because entries above that lie
// in different rows and columns. So nodes are what must be searched, and ranks follow.
#include "model/optimal_assignment.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kLeastGain = 1e-9;  // of the cost: less may be rounding

/// The largest two of a stream.
struct TopTwo {
  double first = 0, second = 0;
  void add(double value) {
    second = std::max(second, std::min(first, value));
    first = std::max(first, value);
  }
};

double network_flow(const AssignmentProblem& problem, std::size_t layer, const std::vector<int>& from,
                    const std::vector<int>& to) {
  double sum = 0;
  for (std::size_t a = 0; a < from.size(); ++a) {
    for (std::size_t b = 0; b < to.size(); ++b) {
      sum += from[a] != to[b] ? problem.at(layer, a, b) : 0;
    }
  }
  return sum;
}

/// Cost, and flows over the network where costs are equal, of the layers beside one.
std::pair<double, double> beside(const AssignmentProblem& problem, const ClusterNodes& nodes, std::size_t layer,
                                 bool with_next) {
  std::pair<double, double> result{0, 0};
  const auto add = [&](std::size_t l) {
    result.first += problem.cost(l, nodes[l], nodes[l + 1]);
    result.second += network_flow(problem, l, nodes[l], nodes[l + 1]);
  };
  if (layer > 0) {
    add(layer - 1);
  }
  if (with_next && layer + 1 < nodes.size()) {
    add(layer);
  }
  return result;
}

bool swap_while_better(const AssignmentProblem& problem, ClusterNodes& nodes, std::size_t layer, bool with_next) {
  bool improved = false;
  std::pair<double, double> best = beside(problem, nodes, layer, with_next);
  std::vector<int>& mine = nodes[layer];
  for (std::size_t a = 0; a < mine.size(); ++a) {
    for (std::size_t b = a + 1; b < mine.size(); ++b) {
      if (mine[a] == mine[b]) {
        continue;
      }
      std::swap(mine[a], mine[b]);
      const std::pair<double, double> now = beside(problem, nodes, layer, with_next);
      const bool equal = now.first <= best.first * (1 + kLeastGain);
      if (now.first < best.first * (1 - kLeastGain) || (equal && now.second < best.second * (1 - kLeastGain))) {
        best = now;
        improved = true;
      } else {
        std::swap(mine[a], mine[b]);
      }
    }
  }
  return improved;
}

/// Every cluster to the node that most of its tokens come from, the largest flows first.
std::vector<int> follow(const AssignmentProblem& problem, std::size_t layer, const std::vector<int>& before) {
  std::vector<std::pair<double, std::pair<std::size_t, std::size_t>>> wishes;  // flow, cluster, node
  for (std::size_t c = 0; c < problem.clusters; ++c) {
    std::vector<double> from(problem.nodes, 0.0);
    for (std::size_t b = 0; b < problem.clusters; ++b) {
      from[static_cast<std::size_t>(before[b])] += problem.at(layer, b, c);
    }
    for (std::size_t n = 0; n < problem.nodes; ++n) {
      wishes.push_back({from[n], {c, n}});
    }
  }
  std::stable_sort(wishes.begin(), wishes.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<int> result(problem.clusters, -1);
  std::vector<std::size_t> room(problem.nodes, problem.per_node);
  for (const auto& [flow, wish] : wishes) {
    if (result[wish.first] < 0 && room[wish.second] > 0) {
      result[wish.first] = static_cast<int>(wish.second);
      --room[wish.second];
    }
  }
  return result;
}

/// Position within its node of every cluster: the largest flows stay on a rank, as far as ranks are free.
std::vector<std::vector<std::int32_t>> ranks_of(const AssignmentProblem& problem, const ClusterNodes& nodes) {
  std::vector<std::vector<std::int32_t>> ranks;
  std::vector<std::int32_t>& first = ranks.emplace_back();
  std::vector<std::size_t> used(problem.nodes, 0);
  for (const int node : nodes.front()) {
    const auto n = static_cast<std::size_t>(node);
    first.push_back(static_cast<std::int32_t>(n * problem.per_node + used[n]++));
  }
  std::vector<std::size_t> order(problem.clusters * problem.clusters);
  for (std::size_t layer = 0; layer + 1 < problem.layers(); ++layer) {
    const std::vector<double>& flow = problem.flow[layer];
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return flow[a] > flow[b]; });
    std::vector<char> taken(problem.clusters, 0);
    std::vector<std::int32_t> next(problem.clusters, -1);
    for (const std::size_t pair : order) {
      const std::size_t from = pair / problem.clusters, to = pair % problem.clusters;
      if (nodes[layer][from] == nodes[layer + 1][to] && taken[from] == 0 && next[to] < 0) {
        taken[from] = 1;
        next[to] = ranks[layer][from];
      }
    }
    ranks.push_back(std::move(next));
  }
  return ranks;
}

}  // namespace

double AssignmentProblem::cost(std::size_t layer, const std::vector<int>& from, const std::vector<int>& to) const {
  double worst = 0;
  std::vector<TopTwo> columns(clusters);
  for (std::size_t a = 0; a < clusters; ++a) {
    TopTwo row;
    for (std::size_t b = 0; b < clusters; ++b) {
      if (from[a] == to[b]) {
        row.add(at(layer, a, b));
        columns[b].add(at(layer, a, b));
      } else {
        worst = std::max(worst, at(layer, a, b) * per_network);
      }
    }
    worst = std::max(worst, row.second * per_scale_up);
  }
  for (const TopTwo& column : columns) {
    worst = std::max(worst, column.second * per_scale_up);
  }
  return worst;
}

double AssignmentProblem::cost(const ClusterNodes& nodes_of) const {
  double sum = 0;
  for (std::size_t layer = 0; layer + 1 < layers(); ++layer) {
    sum += cost(layer, nodes_of[layer], nodes_of[layer + 1]);
  }
  return sum;
}

// At most per_node clusters of the next layer share a node with one, and one of them its rank.
double AssignmentProblem::bound(std::size_t layer) const {
  double worst = 0;
  std::vector<double> line(clusters);
  for (std::size_t i = 0; i < 2 * clusters; ++i) {
    for (std::size_t j = 0; j < clusters; ++j) {
      line[j] = i < clusters ? at(layer, i, j) : at(layer, j, i - clusters);
    }
    std::sort(line.begin(), line.end(), std::greater<>());
    if (clusters > 1) {
      worst = std::max(worst, line[1] * std::min(per_scale_up, per_network));
    }
    if (per_node < clusters) {
      worst = std::max(worst, line[per_node] * per_network);
    }
  }
  return worst;
}

ClusterNodes by_swaps(const AssignmentProblem& problem) {
  constexpr int kMostPasses = 20;
  ClusterNodes nodes(1);
  for (std::size_t c = 0; c < problem.clusters; ++c) {
    nodes[0].push_back(static_cast<int>(c / problem.per_node));
  }
  for (std::size_t layer = 1; layer < problem.layers(); ++layer) {
    nodes.push_back(follow(problem, layer - 1, nodes[layer - 1]));
    while (swap_while_better(problem, nodes, layer, false)) {
    }
  }
  bool improved = true;
  for (int pass = 0; improved && pass < kMostPasses; ++pass) {
    improved = false;
    for (std::size_t layer = 0; layer < problem.layers(); ++layer) {
      improved = swap_while_better(problem, nodes, layer, true) || improved;
    }
  }
  return nodes;
}

ClusterRanks optimal_cluster_ranks(const std::vector<std::vector<double>>& flow, const RankGrid& grid,
                                   const OptimalOptions& options) {
  check_grid(grid);
  MOESAIC_ASSERT(options.rates.scale_up > BytesPerSecond{0} && options.rates.network > BytesPerSecond{0});
  AssignmentProblem problem{.flow = flow,
                            .clusters = static_cast<std::size_t>(grid.ranks),
                            .nodes = static_cast<std::size_t>(grid.nodes()),
                            .per_node = static_cast<std::size_t>(grid.per_node),
                            .per_scale_up = 1 / options.rates.scale_up.value,
                            .per_network = 1 / options.rates.network.value};
  if (grid.per_node == 1) {  // ranks that are all nodes are alike: as if all were in one
    problem.nodes = 1;
    problem.per_node = problem.clusters;
    problem.per_scale_up = problem.per_network;
  }
  ClusterRanks result;
  ClusterNodes nodes;
  if (problem.nodes == 1) {
    nodes.assign(problem.layers(), std::vector<int>(problem.clusters, 0));
    result.worst.bound = problem.cost(nodes);
  } else if (splits(problem.clusters, problem.nodes) <= static_cast<double>(options.most_splits)) {
    nodes = shortest_path(problem);
    result.worst.bound = problem.cost(nodes);
  } else {
    nodes = by_swaps(problem);
    for (std::size_t layer = 0; layer + 1 < problem.layers(); ++layer) {
      result.worst.bound += problem.bound(layer);
    }
    if (const double cost = problem.cost(nodes); cost - result.worst.bound > options.gap * cost) {
      const NodeSearch search = by_integer_program(problem, nodes, options);
      nodes = search.nodes;
      result.in_time = search.in_time;
      result.worst.bound = std::max(result.worst.bound, search.bound);
    }
  }
  result.worst.value = problem.cost(nodes);
  result.worst.bound = std::min(result.worst.bound, result.worst.value);
  result.ranks = ranks_of(problem, nodes);
  return result;
}

}  // namespace moesaic
