// The second of MoETuner's programs, written for CBC.
//
// u[l, c, n]: cluster c of layer l is on node n. s[l, a, b]: cluster a and cluster b of the next layer share a node,
// m[l, a, b]: also a rank. t[l]: the slowest pair, at least flow / network where nothing is shared, flow / scale-up
// where only the node is, nothing where the rank is:
//   t[l] >= f[a, b] (1 / network - s[a, b] (1 / network - 1 / scale-up) - m[a, b] / scale-up).
// t[l] also gets its simple bound (AssignmentProblem::bound), which the relaxation does not see by itself.
#include <algorithm>
#include <cmath>

#include "model/optimal_assignment.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostProgramColumns = 6000;  // beyond, CBC neither improves nor proves anything within a minute

using Row = IntegerProgram::Row;
constexpr double kFree = 1e30;

class ProgramWriter {
 public:
  explicit ProgramWriter(const AssignmentProblem& problem)
      : problem_(problem), g_(problem.clusters), n_(problem.nodes) {
    double largest = 0;
    for (const std::vector<double>& flow : problem.flow) {
      largest = std::max(largest, *std::max_element(flow.begin(), flow.end()) * problem.per_network);
    }
    scale_ = largest > 0 ? 1 / largest : 1;
    for (std::size_t layer = 0; layer < problem.layers(); ++layer) {
      write_nodes(layer);
    }
    for (std::size_t layer = 0; layer < problem.flow.size(); ++layer) {
      write_moves(layer);
    }
  }

  static std::size_t columns(const AssignmentProblem& problem) {
    return problem.layers() * problem.clusters * problem.nodes +
           problem.flow.size() * (2 * problem.clusters * problem.clusters + 1);
  }
  const IntegerProgram& program() const { return program_; }
  double scale() const { return scale_; }

  std::vector<double> start(const ClusterNodes& nodes) const {
    std::vector<double> values(program_.columns.size(), 0.0);
    for (std::size_t layer = 0; layer < problem_.layers(); ++layer) {
      for (std::size_t c = 0; c < g_; ++c) {
        values[node(layer, c, static_cast<std::size_t>(nodes[layer][c]))] = 1;
      }
    }
    for (std::size_t layer = 0; layer < problem_.flow.size(); ++layer) {
      start_moves(layer, nodes[layer], nodes[layer + 1], values);
    }
    return values;
  }

  ClusterNodes read(const std::vector<double>& values) const {
    ClusterNodes nodes;
    for (std::size_t layer = 0; layer < problem_.layers(); ++layer) {
      std::vector<int>& of_layer = nodes.emplace_back(g_, 0);
      for (std::size_t c = 0; c < g_; ++c) {
        for (std::size_t n = 0; n < n_; ++n) {
          if (values[node(layer, c, n)] > 0.5) {
            of_layer[c] = static_cast<int>(n);
          }
        }
      }
    }
    return nodes;
  }

 private:
  std::size_t node(std::size_t layer, std::size_t c, std::size_t n) const { return (layer * g_ + c) * n_ + n; }
  std::size_t slowest(std::size_t layer) const { return problem_.layers() * g_ * n_ + layer * (2 * g_ * g_ + 1); }
  std::size_t shared(std::size_t layer, std::size_t a, std::size_t b) const {
    return slowest(layer) + 1 + 2 * (a * g_ + b);
  }

  void add(const std::vector<std::pair<std::size_t, double>>& terms, double lower, double upper) {
    Row row{{}, {}, lower, upper};
    for (const auto& [column, factor] : terms) {
      row.columns.push_back(static_cast<int>(column));
      row.factors.push_back(factor);
    }
    program_.rows.push_back(std::move(row));
  }

  // Every cluster on one node, every node full. Nodes are alike: cluster c of the first layer is on one of the first c
  // + 1.
  void write_nodes(std::size_t layer) {
    for (std::size_t c = 0; c < g_; ++c) {
      std::vector<std::pair<std::size_t, double>> once;
      for (std::size_t n = 0; n < n_; ++n) {
        program_.add({.upper = layer > 0 || n <= c ? 1.0 : 0.0, .whole = true});
        once.emplace_back(node(layer, c, n), 1);
      }
      add(once, 1, 1);
    }
    for (std::size_t n = 0; n < n_; ++n) {
      std::vector<std::pair<std::size_t, double>> full;
      for (std::size_t c = 0; c < g_; ++c) {
        full.emplace_back(node(layer, c, n), 1);
      }
      add(full, static_cast<double>(problem_.per_node), static_cast<double>(problem_.per_node));
    }
  }

  void write_moves(std::size_t layer) {
    program_.add({.lower = problem_.bound(layer) * scale_ * (1 - 1e-9), .upper = kFree, .objective = 1});
    for (std::size_t pair = 0; pair < g_ * g_; ++pair) {
      program_.add({});               // shares a node
      program_.add({.whole = true});  // and a rank
    }
    const double apart = problem_.per_network * scale_, together = problem_.per_scale_up * scale_;
    for (std::size_t a = 0; a < g_; ++a) {
      std::vector<std::pair<std::size_t, double>> row, column, row_rank, column_rank;
      for (std::size_t b = 0; b < g_; ++b) {
        const std::size_t s = shared(layer, a, b), m = s + 1;
        const double flow = problem_.at(layer, a, b);
        add({{slowest(layer), 1}, {s, flow * (apart - together)}, {m, flow * together}}, flow * apart, kFree);
        add({{s, 1}, {m, -1}}, 0, kFree);
        for (std::size_t n = 0; n < n_; ++n) {
          const std::size_t from = node(layer, a, n), to = node(layer + 1, b, n);
          add({{s, 1}, {from, 1}, {to, -1}}, -kFree, 1);
          add({{s, 1}, {from, -1}, {to, 1}}, -kFree, 1);
          add({{s, 1}, {from, -1}, {to, -1}}, -1, kFree);
        }
        row.emplace_back(s, 1);
        row_rank.emplace_back(m, 1);
        column.emplace_back(shared(layer, b, a), 1);
        column_rank.emplace_back(shared(layer, b, a) + 1, 1);
      }
      const auto room = static_cast<double>(problem_.per_node);
      add(row, room, room);
      add(column, room, room);
      add(row_rank, 1, 1);
      add(column_rank, 1, 1);
    }
  }

  // The largest flows within a node stay on a rank.
  void start_moves(std::size_t layer, const std::vector<int>& from, const std::vector<int>& to,
                   std::vector<double>& values) const {
    std::vector<std::pair<double, std::size_t>> near;
    for (std::size_t a = 0; a < g_; ++a) {
      for (std::size_t b = 0; b < g_; ++b) {
        if (from[a] == to[b]) {
          values[shared(layer, a, b)] = 1;
          near.emplace_back(-problem_.at(layer, a, b), a * g_ + b);
        }
      }
    }
    std::sort(near.begin(), near.end());
    std::vector<char> from_taken(g_, 0), to_taken(g_, 0);
    for (const auto& [flow, pair] : near) {
      char &mine = from_taken[pair / g_], &theirs = to_taken[pair % g_];
      if (mine == 0 && theirs == 0) {
        mine = theirs = 1;
        values[shared(layer, pair / g_, pair % g_) + 1] = 1;
      }
    }
    values[slowest(layer)] = problem_.cost(layer, from, to) * scale_;
  }

  const AssignmentProblem& problem_;
  std::size_t g_, n_;
  double scale_ = 1;  // seconds a byte are tiny: the program counts in the largest flow
  IntegerProgram program_;
};

}  // namespace

NodeSearch by_integer_program(const AssignmentProblem& problem, const ClusterNodes& start,
                              const OptimalOptions& options) {
  NodeSearch search{start, 0, true};
  if (ProgramWriter::columns(problem) > kMostProgramColumns) {
    return search;
  }
  const ProgramWriter writer(problem);
  // Renamed so that the first layer has its clusters' nodes in order, as the program breaks the symmetry.
  std::vector<int> name(problem.nodes, -1);
  int names = 0;
  for (const int node : start.front()) {
    int& mine = name[static_cast<std::size_t>(node)];
    mine = mine < 0 ? names++ : mine;
  }
  ClusterNodes renamed = start;
  for (std::vector<int>& layer : renamed) {
    std::for_each(layer.begin(), layer.end(), [&](int& node) { node = name[static_cast<std::size_t>(node)]; });
  }
  const double cost = problem.cost(start);
  const ProgramSolution solution =
      solve(writer.program(), writer.start(renamed),
            {.seconds = options.seconds, .nodes = options.nodes, .gap = options.gap * cost * writer.scale()});
  search.bound = solution.bound / writer.scale();
  search.in_time = solution.in_time;
  if (!solution.columns.empty()) {
    ClusterNodes found = writer.read(solution.columns);
    if (problem.cost(found) < cost) {
      search.nodes = std::move(found);
    }
  }
  return search;
}

}  // namespace moesaic
