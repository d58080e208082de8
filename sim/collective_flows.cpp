#include "sim/collective_flows.hpp"

#include <map>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// One group's flows, added up for each pair.
class Pairs {
 public:
  Pairs(int nodes, int node_ranks, int stride) : nodes_(nodes), node_ranks_(node_ranks), stride_(stride) {}

  int nodes() const { return nodes_; }
  int node_ranks() const { return node_ranks_; }
  int rank(int node, int local) const { return node * node_ranks_ + local; }
  void add(int source, int destination, double bytes) {
    if (source != destination && bytes > 0) {
      bytes_[{source, destination}] += bytes;
    }
  }
  FlowPhase phase(int groups) const {
    FlowPhase flows;
    const int ranks = nodes_ * node_ranks_;
    flows.reserve(bytes_.size() * static_cast<std::size_t>(groups));
    for (int group = 0; group < groups; ++group) {
      const int first = group / stride_ * ranks * stride_ + group % stride_;
      for (const auto& [pair, bytes] : bytes_) {
        flows.push_back({static_cast<std::uint32_t>(first + pair.first * stride_),
                         static_cast<std::uint32_t>(first + pair.second * stride_), bytes});
      }
    }
    return flows;
  }

 private:
  int nodes_;
  int node_ranks_;
  int stride_;
  std::map<std::pair<int, int>, double> bytes_;
};

/// Every rank to every other of its node, `bytes` sent in all by each.
void all_pairs_in_nodes(Pairs& pairs, double bytes) {
  const int g = pairs.node_ranks();
  for (int node = 0; node < pairs.nodes(); ++node) {
    for (int from = 0; from < g; ++from) {
      for (int to = 0; to < g; ++to) {
        pairs.add(pairs.rank(node, from), pairs.rank(node, to), bytes / (g - 1));
      }
    }
  }
}

void ring_in_nodes(Pairs& pairs, double bytes) {
  for (int node = 0; node < pairs.nodes(); ++node) {
    for (int from = 0; from < pairs.node_ranks(); ++from) {
      pairs.add(pairs.rank(node, from), pairs.rank(node, (from + 1) % pairs.node_ranks()), bytes);
    }
  }
}

/// A ring for each adapter: it enters a node where it left the one before, and leaves by the last rank it passes. One
/// that is not closed ends in the last node.
void rings_over_nodes(Pairs& pairs, double inside, double between, bool closed) {
  const int g = pairs.node_ranks(), m = pairs.nodes();
  for (int ring = 0; ring < g; ++ring) {
    int at = ring;
    for (int node = 0; node < m; ++node) {
      for (int step = 1; step < g; ++step) {
        const int next = (at + 1) % g;
        pairs.add(pairs.rank(node, at), pairs.rank(node, next), inside / (g - 1));
        at = next;
      }
      if (closed || node + 1 < m) {
        pairs.add(pairs.rank(node, at), pairs.rank((node + 1) % m, at), between);
      }
    }
  }
}

void rails(Pairs& pairs, double bytes) {
  for (int node = 0; node < pairs.nodes(); ++node) {
    for (int local = 0; local < pairs.node_ranks(); ++local) {
      pairs.add(pairs.rank(node, local), pairs.rank((node + 1) % pairs.nodes(), local), bytes);
    }
  }
}

/// Half of each rail's part through a binary tree, half through its mirror image, whose inner nodes are leaves of the
/// first: up to reduce, down to hand out.
void double_trees(Pairs& pairs, double part) {
  const int m = pairs.nodes();
  for (int local = 0; local < pairs.node_ranks(); ++local) {
    for (const bool mirrored : {false, true}) {
      const auto rank = [&](int node) { return pairs.rank(mirrored ? m - 1 - node : node, local); };
      for (int node = 1; node < m; ++node) {
        pairs.add(rank(node), rank((node - 1) / 2), part / 2);
        pairs.add(rank((node - 1) / 2), rank(node), part / 2);
      }
    }
  }
}

void all_to_all(Pairs& pairs, double message) {
  const int n = pairs.nodes() * pairs.node_ranks();
  for (int from = 0; from < n; ++from) {
    for (int to = 0; to < n; ++to) {
      pairs.add(from, to, message / n);
    }
  }
}

/// Along each rail to every other node.
void all_pairs_of_rails(Pairs& pairs, double bytes) {
  const int m = pairs.nodes();
  for (int local = 0; local < pairs.node_ranks(); ++local) {
    for (int from = 0; from < m; ++from) {
      for (int to = 0; to < m; ++to) {
        pairs.add(pairs.rank(from, local), pairs.rank(to, local), bytes / (m - 1));
      }
    }
  }
}

void inside_nodes(Pairs& pairs, const CollectiveLinks& links, double bytes) {
  if (links.switched) {
    all_pairs_in_nodes(pairs, bytes);
  } else {
    ring_in_nodes(pairs, bytes);
  }
}

}  // namespace

std::vector<FlowPhase> collective_flows(const Collective& collective, const CollectiveAlgorithm& algorithm,
                                        const CollectiveLinks& links, int groups) {
  const int m = links.nodes, g = collective.ranks / m;
  MOESAIC_ASSERT(m * g == collective.ranks);
  const double wire = algorithm.wire.value, network = algorithm.network.value, message = collective.bytes.value;
  const std::string_view name = algorithm.name;
  Pairs pairs(m, g, collective.stride);
  switch (collective.kind) {
    case CollectiveKind::all_to_all:
      if (name == "two-phase") {
        Pairs second(m, g, collective.stride);
        all_pairs_in_nodes(pairs, wire);
        all_pairs_of_rails(second, network);
        return {pairs.phase(groups), second.phase(groups)};
      }
      all_to_all(pairs, message);
      break;
    case CollectiveKind::send_receive:
      for (int rank = 0; rank < m * g; ++rank) {
        pairs.add(rank, (rank + collective.shift) % (m * g), message);
      }
      break;
    case CollectiveKind::broadcast:
      if (m > 1) {
        rings_over_nodes(pairs, wire, network, false);
      } else {
        for (int rank = 0; rank + 1 < g; ++rank) {
          pairs.add(rank, rank + 1, message);
        }
      }
      break;
    default:
      if (m == 1) {
        inside_nodes(pairs, links, wire);
      } else if (name == "ring") {
        rings_over_nodes(pairs, wire, network, true);
      } else {
        inside_nodes(pairs, links, wire);
        if (name == "tree") {
          double_trees(pairs, message / g);
        } else {
          rails(pairs, network);
        }
      }
  }
  return {pairs.phase(groups)};
}

}  // namespace moesaic
