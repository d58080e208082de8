#include "hw/routing/node_paths.hpp"

#include <algorithm>

namespace moesaic {

NodePaths::NodePaths(const Topology& topology, const Adjacency& whole, bool spread, Pieces& pieces)
    : topology_(topology),
      whole_(whole),
      spread_(spread),
      pieces_(pieces),
      members_(topology.nodes),
      devices_(topology.nodes),
      known_(topology.devices) {
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    if (const std::int32_t node = topology.vertices[v].node; node >= 0) {
      members_[node].push_back(v);
      devices_[node] += v < topology.devices ? 1 : 0;
    }
  }
}

NodePaths::Inside::Inside(const Topology& topology, const Adjacency& whole, const std::vector<VertexId>& members)
    : scale_up(topology, whole, members, true), all(topology, whole, members) {
  for (const VertexId v : members) {
    passable.push_back(topology.vertices[v].kind == VertexKind::switch_);
  }
  scale_up_tree.passable = tree.passable = &passable;
}

// Flows come node by node more often than not, so one node is kept.
NodePaths::Inside& NodePaths::inside(std::int32_t node) {
  if (node != current_node_) {
    current_.emplace(topology_, whole_, members_[node]);
    current_node_ = node;
  }
  return *current_;
}

PieceId NodePaths::find(VertexId from, VertexId to) {
  std::vector<Routes::Hop> found;
  const std::optional<double> latency = hops(from, to, found);
  return latency ? pieces_.add(found, *latency) : kNoPiece;
}

std::optional<double> NodePaths::hops(VertexId from, VertexId to, std::vector<Routes::Hop>& hops) {
  hops.clear();
  if (from == to) {
    return 0;
  }
  for (const Adjacency::Arc& arc : whole_.arcs(from)) {
    if (arc.to == to) {  // most often; of parallel links the first
      hops.push_back({arc.channel, 1});
      return topology_.links[arc.channel / 2].latency.value;
    }
  }
  Inside& node = inside(topology_.vertices[from].node);
  const std::vector<VertexId>& members = members_[topology_.vertices[from].node];
  const auto number = [&](VertexId v) {
    return static_cast<std::uint32_t>(std::lower_bound(members.begin(), members.end(), v) - members.begin());
  };
  for (const bool scale_up_only : {true, false}) {
    const Adjacency& graph = scale_up_only ? node.scale_up : node.all;
    PathTree& tree = scale_up_only ? node.scale_up_tree : node.tree;
    if (tree.distance.empty() || tree.root != number(from)) {
      tree.find(graph, number(from));
    }
    if (tree.reaches(number(to))) {
      PathReader reader(topology_, graph);
      return spread_ ? reader.spread(tree, number(to), hops) : reader.one(tree, number(to), first_step, hops);
    }
  }
  return std::nullopt;
}

}  // namespace moesaic
