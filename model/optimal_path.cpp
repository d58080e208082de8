// The second of MoETuner's programs where a layer's clusters split over nodes in few ways: a shortest path.
//
// Nodes are alike, and so a choice of nodes for all layers costs the same when all are renamed together. So the
// cheapest way from a split of one layer to the end is the same whatever its nodes are called, and one length for each
// split is enough: from a split to one of the next layer, take the cheapest way to name the nodes of the second after
// the first's.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>

#include "model/optimal_assignment.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostNodes = 5;  // whose names are tried in every order

using Block = std::uint64_t;  // a set of clusters

/// Splits into blocks of `size`; the first block holds the first cluster that is left, and so on.
void add_splits(Block left, std::size_t size, std::vector<Block>& chosen, std::vector<std::vector<Block>>& all) {
  if (left == 0) {
    all.push_back(chosen);
    return;
  }
  const Block first = left & (~left + 1);
  const auto extend = [&](const auto& self, Block block, Block rest) -> void {
    if (static_cast<std::size_t>(std::popcount(block)) == size) {
      chosen.push_back(block);
      add_splits(left & ~block, size, chosen, all);
      chosen.pop_back();
      return;
    }
    while (rest != 0) {
      const Block next = rest & (~rest + 1);
      rest &= ~next;
      self(self, block | next, rest);
    }
  };
  extend(extend, first, left & ~first);
}

/// Flows between two blocks: the slowest pair if they are on different nodes, and if they share one.
struct BlockCosts {
  double apart = 0, together = 0;
};

BlockCosts costs_of(const AssignmentProblem& problem, std::size_t layer, Block from, Block to) {
  BlockCosts costs;
  std::array<double, 64> first{}, second{};  // largest two entries of every column
  for (Block rows = from; rows != 0; rows &= rows - 1) {
    double row_first = 0, row_second = 0;
    for (Block columns = to; columns != 0; columns &= columns - 1) {
      const auto b = static_cast<std::size_t>(std::countr_zero(columns));
      const double flow = problem.at(layer, static_cast<std::size_t>(std::countr_zero(rows)), b);
      row_second = std::max(row_second, std::min(row_first, flow));
      row_first = std::max(row_first, flow);
      second[b] = std::max(second[b], std::min(first[b], flow));
      first[b] = std::max(first[b], flow);
    }
    costs.apart = std::max(costs.apart, row_first * problem.per_network);
    costs.together = std::max(costs.together, row_second * problem.per_scale_up);
  }
  for (Block columns = to; columns != 0; columns &= columns - 1) {
    costs.together =
        std::max(costs.together, second[static_cast<std::size_t>(std::countr_zero(columns))] * problem.per_scale_up);
  }
  return costs;
}

/// The splits of a layer's clusters, each a list of numbers of blocks.
struct Splits {
  explicit Splits(const AssignmentProblem& problem) {
    std::vector<std::vector<Block>> all;
    std::vector<Block> chosen;
    const Block everything = problem.clusters == 64 ? ~Block{0} : (Block{1} << problem.clusters) - 1;
    add_splits(everything, problem.per_node, chosen, all);
    for (const std::vector<Block>& split : all) {
      blocks.insert(blocks.end(), split.begin(), split.end());
    }
    std::sort(blocks.begin(), blocks.end());
    blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
    for (const std::vector<Block>& split : all) {
      std::vector<std::size_t>& numbers = splits.emplace_back();
      for (const Block block : split) {
        numbers.push_back(
            static_cast<std::size_t>(std::lower_bound(blocks.begin(), blocks.end(), block) - blocks.begin()));
      }
    }
  }
  std::vector<Block> blocks;
  std::vector<std::vector<std::size_t>> splits;
};

using Names = std::vector<std::size_t>;  // of a split's blocks -> the block of the split before whose node it shares

struct PathStep {
  double length = std::numeric_limits<double>::infinity();
  std::size_t next = 0;
  Names names;
};

/// The cheapest way on from every split of one layer.
std::vector<PathStep> steps_of(const AssignmentProblem& problem, std::size_t layer, const Splits& all,
                               const std::vector<double>& onward) {
  const std::size_t count = all.blocks.size(), nodes = problem.nodes;
  std::vector<BlockCosts> costs(count * count);
  for (std::size_t from = 0; from < count; ++from) {
    for (std::size_t to = 0; to < count; ++to) {
      costs[from * count + to] = costs_of(problem, layer, all.blocks[from], all.blocks[to]);
    }
  }
  std::vector<PathStep> steps(all.splits.size());
  Names names(nodes);
  for (std::size_t p = 0; p < steps.size(); ++p) {
    for (std::size_t q = 0; q < steps.size(); ++q) {
      std::iota(names.begin(), names.end(), std::size_t{0});
      do {
        double worst = 0;
        for (std::size_t i = 0; i < nodes; ++i) {
          for (std::size_t j = 0; j < nodes; ++j) {
            const BlockCosts& cost = costs[all.splits[p][i] * count + all.splits[q][j]];
            worst = std::max(worst, names[j] == i ? cost.together : cost.apart);
          }
        }
        if (worst + onward[q] < steps[p].length) {
          steps[p] = {worst + onward[q], q, names};
        }
      } while (std::next_permutation(names.begin(), names.end()));
    }
  }
  return steps;
}

}  // namespace

double splits(std::size_t clusters, std::size_t nodes) {
  if (nodes > kMostNodes || clusters > 64) {
    return std::numeric_limits<double>::infinity();
  }
  // clusters! / (per_node!^nodes nodes!), as a product of binomials.
  double ways = 1;
  for (std::size_t left = clusters; left > 0; left -= clusters / nodes) {
    for (std::size_t i = 1; i < clusters / nodes; ++i) {
      ways *= static_cast<double>(left - i) / static_cast<double>(i);
    }
  }
  return ways;
}

ClusterNodes shortest_path(const AssignmentProblem& problem) {
  const Splits all(problem);
  std::vector<std::vector<PathStep>> steps(problem.flow.size());
  std::vector<double> onward(all.splits.size(), 0.0);
  for (std::size_t layer = problem.flow.size(); layer-- > 0;) {
    steps[layer] = steps_of(problem, layer, all, onward);
    std::transform(steps[layer].begin(), steps[layer].end(), onward.begin(),
                   [](const PathStep& step) { return step.length; });
  }
  ClusterNodes result;
  auto split = static_cast<std::size_t>(std::min_element(onward.begin(), onward.end()) - onward.begin());
  Names node_of(problem.nodes);  // of the split's blocks
  std::iota(node_of.begin(), node_of.end(), std::size_t{0});
  for (std::size_t layer = 0; layer < problem.layers(); ++layer) {
    std::vector<int>& nodes = result.emplace_back(problem.clusters, 0);
    for (std::size_t i = 0; i < problem.nodes; ++i) {
      for (Block block = all.blocks[all.splits[split][i]]; block != 0; block &= block - 1) {
        nodes[static_cast<std::size_t>(std::countr_zero(block))] = static_cast<int>(node_of[i]);
      }
    }
    if (layer < steps.size()) {
      const PathStep& step = steps[layer][split];
      Names next(problem.nodes);
      for (std::size_t j = 0; j < problem.nodes; ++j) {
        next[j] = node_of[step.names[j]];
      }
      node_of = next;
      split = step.next;
    }
  }
  return result;
}

}  // namespace moesaic
