#include "hw/topologies/bisection.hpp"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <limits>

namespace moesaic {
namespace {

using Capacity = long long;  // bytes per second: sums must be exact for the search to end
using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using Graph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS,
    boost::property<
        boost::vertex_index_t, long,
        boost::property<boost::vertex_color_t, boost::default_color_type,
                        boost::property<boost::vertex_distance_t, long,
                                        boost::property<boost::vertex_predecessor_t, Traits::edge_descriptor>>>>,
    boost::property<boost::edge_capacity_t, Capacity,
                    boost::property<boost::edge_residual_capacity_t, Capacity,
                                    boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;

class FlowNetwork {
 public:
  explicit FlowNetwork(std::size_t vertices)
      : graph_(vertices + 2), source_(vertices), sink_(vertices + 1), from_source_(vertices), to_sink_(vertices) {}

  void supply(std::size_t vertex, BytesPerSecond bandwidth) { from_source_[vertex] += whole(bandwidth); }
  void drain(std::size_t vertex, BytesPerSecond bandwidth) { to_sink_[vertex] += whole(bandwidth); }
  void join(std::size_t a, std::size_t b, Capacity both_ways) { edge(a, b, both_ways, both_ways); }
  static Capacity whole(BytesPerSecond bandwidth) { return static_cast<Capacity>(bandwidth.value); }

  BytesPerSecond most() {
    Capacity direct = 0;
    for (std::size_t v = 0; v < from_source_.size(); ++v) {
      const Capacity through = std::min(from_source_[v], to_sink_[v]);  // between endpoints of one switch
      direct += through;
      if (from_source_[v] > through) {
        edge(source_, v, from_source_[v] - through, 0);
      }
      if (to_sink_[v] > through) {
        edge(v, sink_, to_sink_[v] - through, 0);
      }
    }
    return {static_cast<double>(direct + boost::boykov_kolmogorov_max_flow(graph_, source_, sink_))};
  }

 private:
  void edge(std::size_t a, std::size_t b, Capacity forward, Capacity backward) {
    const auto there = boost::add_edge(a, b, graph_).first, back = boost::add_edge(b, a, graph_).first;
    boost::put(boost::edge_capacity, graph_, there, forward);
    boost::put(boost::edge_capacity, graph_, back, backward);
    boost::put(boost::edge_reverse, graph_, there, back);
    boost::put(boost::edge_reverse, graph_, back, there);
  }

  Graph graph_;
  std::size_t source_, sink_;
  std::vector<Capacity> from_source_, to_sink_;
};

// Endpoints are put together by their first switch; parallel links are one.
Bisection bisect_network(const Topology& topology, const NetworkGraph& network) {
  FlowNetwork flow(network.switches.size());
  double first = 0, second = 0;
  const auto half = static_cast<std::int32_t>(topology.nodes / 2);
  for (const TopologyLink& link : topology.links) {
    const std::int32_t a = network.number[link.a], b = network.number[link.b];
    if ((a >= 0) == (b >= 0)) {
      continue;
    }
    const std::size_t at = static_cast<std::size_t>(std::max(a, b));
    if (topology.vertices[a >= 0 ? link.b : link.a].node < half) {
      flow.supply(at, link.bandwidth);
      first += link.bandwidth.value;
    } else {
      flow.drain(at, link.bandwidth);
      second += link.bandwidth.value;
    }
  }
  std::vector<Capacity> to(network.switches.size());
  for (std::uint32_t v = 0; v < network.switches.size(); ++v) {
    const auto later = [v](const Adjacency::Arc& arc) { return arc.to > v; };
    for (const Adjacency::Arc& arc : network.graph.arcs(v)) {
      to[arc.to] += later(arc) ? FlowNetwork::whole(topology.links[arc.channel / 2].bandwidth) : 0;
    }
    for (const Adjacency::Arc& arc : network.graph.arcs(v)) {
      if (to[arc.to] > 0) {
        flow.join(v, arc.to, to[arc.to]);
        to[arc.to] = 0;
      }
    }
  }
  return {flow.most(), {std::min(first, second)}};
}

// A device counts with the bandwidth of all its links.
Bisection bisect_node(const Topology& topology) {
  FlowNetwork flow(topology.vertices.size());
  std::vector<double> all(topology.devices);
  double first = 0, second = 0;
  for (const TopologyLink& link : topology.links) {
    flow.join(link.a, link.b, FlowNetwork::whole(link.bandwidth));
    for (const VertexId v : {link.a, link.b}) {
      if (v < topology.devices) {
        all[v] += link.bandwidth.value;
      }
    }
  }
  for (VertexId d = 0; d < topology.devices; ++d) {
    const bool in_first = d < topology.devices / 2;
    in_first ? flow.supply(d, {all[d]}) : flow.drain(d, {all[d]});
    (in_first ? first : second) += all[d];
  }
  return {flow.most(), {std::min(first, second)}};
}

}  // namespace

Bisection bisect(const Topology& topology, const NetworkGraph& network) {
  return topology.nodes > 1 ? bisect_network(topology, network) : bisect_node(topology);
}

}  // namespace moesaic
