// Within two nodes that clusters of consecutive layers share, each cluster of the one layer can be put on the rank of
// one of the other, and that pair's tokens stay. Of every row and column of the flows between them all but one entry is
// sent, so the slowest is at least the largest second-largest entry; and it is no more, because entries above that lie
// in different rows and columns. So nodes are what must be searched, and ranks follow.
#include "model/optimal_assignment.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kLeastGainOfCost = 1e-9;  // of the cost: less may be rounding

/// The largest two of a stream, and where the second was.
struct TopTwo {
  double first = -1, second = 0;
  std::size_t first_at = 0, second_at = 0;
  void add(double value, std::size_t at) {
    if (value > first) {
      second = std::max(first, 0.0);
      second_at = std::exchange(first_at, at);
      first = value;
    } else if (value > second) {
      second = value;
      second_at = at;
    }
  }
};

/// The pairs that a layer's clusters are part of: with the layer before, and with the next if that is placed.
std::vector<AssignmentProblem::Pair> slowest_beside(const AssignmentProblem& problem, const ClusterNodes& nodes,
                                                    std::size_t layer) {
  std::vector<AssignmentProblem::Pair> pairs;
  if (layer > 0) {
    pairs.push_back(problem.slowest(layer - 1, nodes[layer - 1], nodes[layer]));
    pairs.back().from = pairs.back().to;  // the one of this layer
  }
  if (layer + 1 < nodes.size()) {
    pairs.push_back(problem.slowest(layer, nodes[layer], nodes[layer + 1]));
  }
  return pairs;
}

double sum_of(const std::vector<AssignmentProblem::Pair>& pairs) {
  return std::transform_reduce(pairs.begin(), pairs.end(), 0.0, std::plus<>(),
                               [](const AssignmentProblem::Pair& pair) { return pair.cost; });
}

/// Only a swap that moves a cluster of a slowest pair can help; the best of them is made, until none does.
bool swap_while_better(const AssignmentProblem& problem, ClusterNodes& nodes, std::size_t layer) {
  std::vector<int>& mine = nodes[layer];
  bool improved = false;
  while (true) {
    const std::vector<AssignmentProblem::Pair> pairs = slowest_beside(problem, nodes, layer);
    double best = sum_of(pairs) * (1 - kLeastGainOfCost);
    std::pair<std::size_t, std::size_t> swap{0, 0};
    for (const AssignmentProblem::Pair& pair : pairs) {
      for (std::size_t other = 0; other < mine.size(); ++other) {
        if (mine[other] != mine[pair.from]) {
          std::swap(mine[other], mine[pair.from]);
          if (const double now = sum_of(slowest_beside(problem, nodes, layer)); now < best) {
            best = now;
            swap = {pair.from, other};
          }
          std::swap(mine[other], mine[pair.from]);
        }
      }
    }
    if (swap.first == swap.second) {
      return improved;
    }
    std::swap(mine[swap.first], mine[swap.second]);
    improved = true;
  }
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

AssignmentProblem::Pair AssignmentProblem::slowest(std::size_t layer, const std::vector<int>& from,
                                                   const std::vector<int>& to) const {
  Pair worst;
  const auto consider = [&worst](double cost, std::size_t a, std::size_t b) {
    if (cost > worst.cost) {
      worst = {cost, a, b};
    }
  };
  std::vector<TopTwo> columns(clusters);
  for (std::size_t a = 0; a < clusters; ++a) {
    TopTwo row;
    for (std::size_t b = 0; b < clusters; ++b) {
      if (from[a] == to[b]) {
        row.add(at(layer, a, b), b);
        columns[b].add(at(layer, a, b), a);
      } else {
        consider(at(layer, a, b) * per_network, a, b);
      }
    }
    consider(row.second * per_scale_up, a, row.second_at);
  }
  for (std::size_t b = 0; b < clusters; ++b) {
    consider(columns[b].second * per_scale_up, columns[b].second_at, b);
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
    swap_while_better(problem, nodes, layer);
  }
  bool improved = true;
  for (int pass = 0; improved && pass < kMostPasses; ++pass) {
    improved = false;
    for (std::size_t layer = 0; layer < problem.layers(); ++layer) {
      improved = swap_while_better(problem, nodes, layer) || improved;
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
