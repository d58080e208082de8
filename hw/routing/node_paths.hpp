// Private to hw: ways inside a node, which go through its switches but not through devices or adapters.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hw/routing/pieces.hpp"

namespace moesaic {

class NodePaths {
 public:
  /// `spread`: over all shortest paths, else the first one.
  NodePaths(const Topology& topology, const Adjacency& whole, bool spread, Pieces& pieces);

  /// From a device to another device of the same node. kNoPiece where there is no way.
  PieceId between(VertexId from, VertexId to) {
    const std::vector<VertexId>& node = members_[topology_.vertices[from].node];
    std::vector<PieceId>& row = known_[from];
    if (row.empty()) {
      row.assign(devices_[topology_.vertices[from].node], kUnknown);
    }
    PieceId& piece = row[to - node.front()];
    if (piece == kUnknown) {
      piece = find(from, to);
    }
    return piece;
  }

  /// Hops from a device to another member of its node, over scale-up links if they lead there, else over any. Returns
  /// their latency; none where there is no way.
  std::optional<double> hops(VertexId from, VertexId to, std::vector<Routes::Hop>& hops);

  /// Devices of the node, from this one on.
  VertexId first_device(std::int32_t node) const { return members_[node].front(); }
  std::uint32_t devices(std::int32_t node) const { return devices_[node]; }
  const std::vector<VertexId>& members(std::int32_t node) const { return members_[node]; }

 private:
  static constexpr PieceId kUnknown = kNoPiece - 1;
  struct Inside {
    Inside(const Topology& topology, const Adjacency& whole, const std::vector<VertexId>& members);
    std::vector<bool> passable;
    Adjacency scale_up, all;
    PathTree scale_up_tree, tree;
  };
  Inside& inside(std::int32_t node);
  PieceId find(VertexId from, VertexId to);

  const Topology& topology_;
  const Adjacency& whole_;
  bool spread_;
  Pieces& pieces_;
  std::vector<std::vector<VertexId>> members_;  // of each node, devices first
  std::vector<std::uint32_t> devices_;          // of each node
  std::vector<std::vector<PieceId>> known_;     // of each device, once asked for
  std::int32_t current_node_ = -1;
  std::optional<Inside> current_;
};

}  // namespace moesaic
