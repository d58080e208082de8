#include "hw/routing/graph.hpp"

#include <unordered_map>

namespace moesaic {
namespace {

std::vector<VertexId> network_switches(const Topology& topology) {
  std::vector<VertexId> switches;
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    if (topology.vertices[v].kind == VertexKind::switch_ && topology.vertices[v].node < 0) {
      switches.push_back(v);
    }
  }
  return switches;
}

std::vector<std::int32_t> numbered(const Topology& topology, std::span<const VertexId> members) {
  std::vector<std::int32_t> number(topology.vertices.size(), -1);
  for (std::size_t i = 0; i < members.size(); ++i) {
    number[members[i]] = static_cast<std::int32_t>(i);
  }
  return number;
}

std::vector<std::uint32_t> components(const Adjacency& graph) {
  constexpr std::uint32_t kNone = ~0u;
  std::vector<std::uint32_t> component(graph.size(), kNone), stack;
  std::uint32_t count = 0;
  for (std::uint32_t start = 0; start < graph.size(); ++start) {
    if (component[start] != kNone) {
      continue;
    }
    component[start] = count;
    stack.push_back(start);
    while (!stack.empty()) {
      const std::uint32_t vertex = stack.back();
      stack.pop_back();
      for (const Adjacency::Arc& arc : graph.arcs(vertex)) {
        if (component[arc.to] == kNone) {
          component[arc.to] = count;
          stack.push_back(arc.to);
        }
      }
    }
    ++count;
  }
  return component;
}

}  // namespace

Adjacency::Adjacency(const Topology& topology) : first_(topology.vertices.size() + 1) {
  for (const TopologyLink& link : topology.links) {
    ++first_[link.a + 1];
    ++first_[link.b + 1];
  }
  for (std::size_t v = 1; v < first_.size(); ++v) {
    first_[v] += first_[v - 1];
  }
  arcs_.resize(first_.back());
  std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
  for (ChannelId channel = 0; channel < topology.channels(); ++channel) {
    arcs_[next[topology.from(channel)]++] = {topology.to(channel), channel};
  }
}

Adjacency::Adjacency(const Topology& topology, const Adjacency& whole, std::span<const VertexId> members,
                     bool scale_up_only) {
  std::unordered_map<VertexId, std::uint32_t> number;
  number.reserve(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    number.emplace(members[i], static_cast<std::uint32_t>(i));
  }
  first_.reserve(members.size() + 1);
  first_.push_back(0);
  for (const VertexId member : members) {
    for (const Arc& arc : whole.arcs(member)) {
      const auto to = number.find(arc.to);
      if (to != number.end() && (!scale_up_only || topology.links[arc.channel / 2].role == LinkRole::scale_up)) {
        arcs_.push_back({to->second, arc.channel});
      }
    }
    first_.push_back(static_cast<std::uint32_t>(arcs_.size()));
  }
}

void PathTree::find(const Adjacency& graph, std::uint32_t from) {
  root = from;
  ++searches;
  distance.assign(graph.size(), -1);
  paths.assign(graph.size(), 0);
  order.assign(1, from);
  distance[from] = 0;
  paths[from] = 1;
  for (std::size_t next = 0; next < order.size(); ++next) {
    const std::uint32_t vertex = order[next];
    if (!passes(vertex)) {
      continue;
    }
    for (const Adjacency::Arc& arc : graph.arcs(vertex)) {
      if (distance[arc.to] < 0) {
        distance[arc.to] = distance[vertex] + 1;
        order.push_back(arc.to);
      }
      if (distance[arc.to] == distance[vertex] + 1) {
        paths[arc.to] += paths[vertex];
      }
    }
  }
}

NetworkGraph::NetworkGraph(const Topology& topology, const Adjacency& whole)
    : switches(network_switches(topology)), number(numbered(topology, switches)), graph(topology, whole, switches) {
  component = components(graph);
}

}  // namespace moesaic
