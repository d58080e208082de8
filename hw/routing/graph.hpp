// Private to hw: parts of a topology as graphs of their own, and the shortest paths in them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hw/topology.hpp"

namespace moesaic {

/// The channels that leave each vertex, in the order of their links.
class Adjacency {
 public:
  struct Arc {
    std::uint32_t to = 0;
    ChannelId channel = 0;
  };
  /// Of all vertices; `to` is a vertex of the topology.
  explicit Adjacency(const Topology& topology);
  /// Of `members` only; vertices are numbered by their place there. `scale_up_only`: over such links alone.
  Adjacency(const Topology& topology, const Adjacency& whole, std::span<const VertexId> members,
            bool scale_up_only = false);

  std::span<const Arc> arcs(std::uint32_t vertex) const {
    return {arcs_.data() + first_[vertex], arcs_.data() + first_[vertex + 1]};
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(first_.size() - 1); }

 private:
  std::vector<std::uint32_t> first_;
  std::vector<Arc> arcs_;
};

/// Distances from one vertex, and how many shortest paths there are (parallel links give different ones).
struct PathTree {
  std::uint32_t root = 0;
  std::vector<std::int32_t> distance;  ///< in hops; -1: no way
  std::vector<double> paths;
  std::vector<std::uint32_t> order;  ///< vertices by distance
  std::uint32_t searches = 0;        ///< how often find() was called: tells what was found apart

  const std::vector<bool>* passable = nullptr;  ///< which vertices paths may go through; null: all

  void find(const Adjacency& graph, std::uint32_t from);
  bool passes(std::uint32_t vertex) const { return vertex == root || passable == nullptr || (*passable)[vertex]; }
  bool reaches(std::uint32_t vertex) const { return distance[vertex] >= 0; }
};

/// The network's switches.
struct NetworkGraph {
  explicit NetworkGraph(const Topology& topology, const Adjacency& whole);
  std::vector<VertexId> switches;
  std::vector<std::int32_t> number;      ///< of each vertex; -1: no switch of the network
  std::vector<std::uint32_t> component;  ///< of each switch: switches that reach each other have the same
  Adjacency graph;
};

}  // namespace moesaic
