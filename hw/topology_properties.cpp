#include "hw/topology_properties.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "hw/routing/ways.hpp"
#include "hw/topologies/bisection.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostSources = 2048, kSampledSources = 512;

struct Network {
  explicit Network(const Topology& topology)
      : whole(topology), graph(topology, whole), endpoints(graph.switches.size()) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
    for (std::uint32_t v = 0; v < graph.switches.size(); ++v) {
      for (const Adjacency::Arc& arc : graph.graph.arcs(v)) {
        edges.emplace_back(v, arc.to);
      }
      for (const Adjacency::Arc& arc : whole.arcs(graph.switches[v])) {
        endpoints[v] += topology.vertices[arc.to].node >= 0 ? 1 : 0;
      }
    }
    boost_graph = Graph(edges.begin(), edges.end(), graph.switches.size());
  }
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;
  Adjacency whole;
  NetworkGraph graph;
  std::vector<double> endpoints;  // of each switch
  Graph boost_graph;
};

// Switches to measure from, with the number of endpoints that each stands for.
std::vector<std::pair<std::uint32_t, double>> sources_of(const Topology& topology, const Network& network,
                                                         std::size_t& sampled) {
  std::vector<std::pair<std::uint32_t, double>> sources;
  if (!topology.device_class.empty()) {  // a device of each class, and the first switches of its node's adapters
    std::map<std::uint32_t, double> members;
    for (const std::uint32_t kind : topology.device_class) {
      members[kind] += 1;
    }
    for (VertexId device = 0; device < topology.devices && !members.empty(); ++device) {
      const auto kind = members.find(topology.device_class[device]);
      if (kind == members.end()) {
        continue;
      }
      for (std::uint32_t v = 0; v < network.graph.switches.size(); ++v) {
        for (const Adjacency::Arc& arc : network.whole.arcs(network.graph.switches[v])) {
          if (topology.vertices[arc.to].node == topology.vertices[device].node) {
            sources.emplace_back(v, kind->second);
          }
        }
      }
      members.erase(kind);
    }
    return sources;
  }
  for (std::uint32_t v = 0; v < network.endpoints.size(); ++v) {
    if (network.endpoints[v] > 0) {
      sources.emplace_back(v, network.endpoints[v]);
    }
  }
  if (sources.size() > kMostSources) {
    for (std::size_t i = 0; i < kSampledSources; ++i) {
      sources[i] = sources[i * sources.size() / kSampledSources];
    }
    sources.resize(kSampledSources);
    sampled = kSampledSources;
  }
  return sources;
}

void measure_distances(const Topology& topology, const Network& network, TopologyProperties& properties) {
  std::vector<int> distance(network.graph.switches.size());
  double sum = 0, pairs = 0;
  for (const auto& [source, weight] : sources_of(topology, network, properties.sampled)) {
    std::fill(distance.begin(), distance.end(), -1);
    distance[source] = 0;
    boost::breadth_first_search(
        network.boost_graph, source,
        boost::visitor(boost::make_bfs_visitor(boost::record_distances(distance.data(), boost::on_tree_edge()))));
    for (std::size_t v = 0; v < distance.size(); ++v) {
      if (distance[v] >= 0 && network.endpoints[v] > 0) {
        properties.diameter = std::max(properties.diameter, distance[v]);
        sum += weight * network.endpoints[v] * distance[v];
        pairs += weight * (network.endpoints[v] - (v == source ? 1 : 0));
      }
    }
  }
  properties.average_distance = pairs > 0 ? sum / pairs : 0;
}

double worst_oversubscription(const Topology& topology, const Network& network) {
  double worst = 0;
  for (std::uint32_t v = 0; v < network.endpoints.size(); ++v) {
    double down = 0, up = 0;
    for (const Adjacency::Arc& arc : network.whole.arcs(network.graph.switches[v])) {
      (topology.vertices[arc.to].node >= 0 ? down : up) += topology.links[arc.channel / 2].bandwidth.value;
    }
    worst = up > 0 ? std::max(worst, down / up) : worst;
  }
  return worst > 0 ? worst : 1;
}

[[noreturn]] void refuse(const Topology& topology, VertexId from, VertexId to) {
  throw UserError(fmt::format("device {} (node {}) cannot reach device {} (node {})", from,
                              topology.vertices[from].node, to, topology.vertices[to].node));
}

}  // namespace

TopologyProperties topology_properties(const Topology& topology) {
  const Network network(topology);
  TopologyProperties properties;
  measure_distances(topology, network, properties);
  const Bisection bisection = bisect(topology, network.graph);
  properties.bisection = bisection.across;
  properties.full_bisection = bisection.wanted.value > 0 ? bisection.across / bisection.wanted : 0;
  properties.oversubscription = worst_oversubscription(topology, network);
  return properties;
}

// Devices of one node are tried pair by pair. Of nodes, two stand for all with adapters in the same parts of the
// network, of the same places.
void check_connected(const Topology& topology) {
  const Adjacency whole(topology);
  const NetworkGraph network(topology, whole);
  Pieces pieces;
  NodePaths inside(topology, whole, false, pieces);
  Ways ways(topology, true, whole, network, inside, pieces);
  std::map<std::vector<std::uint32_t>, std::vector<std::int32_t>> alike;
  for (std::int32_t node = 0; node < static_cast<std::int32_t>(topology.nodes); ++node) {
    const VertexId first = inside.first_device(node), end = first + inside.devices(node);
    std::vector<std::uint32_t> profile;
    for (VertexId from = first; from < end; ++from) {
      profile.push_back(static_cast<std::uint32_t>(ways.ports(from).size()));
      for (const Port& port : ways.ports(from)) {
        profile.push_back(port.component);
        profile.push_back(static_cast<std::uint32_t>(port.plane));
      }
      for (VertexId to = first; to < end; ++to) {
        if (from != to && inside.between(from, to) == kNoPiece && ways.between(from, to).empty()) {
          refuse(topology, from, to);
        }
      }
    }
    std::vector<std::int32_t>& members = alike[profile];
    if (members.size() < 2) {
      members.push_back(node);
    }
  }
  std::vector<VertexId> devices;
  for (const auto& [profile, nodes] : alike) {
    for (const std::int32_t node : nodes) {
      for (VertexId d = 0; d < inside.devices(node); ++d) {
        devices.push_back(inside.first_device(node) + d);
      }
    }
  }
  for (const VertexId from : devices) {
    for (const VertexId to : devices) {
      if (topology.vertices[from].node != topology.vertices[to].node && ways.between(from, to).empty()) {
        refuse(topology, from, to);
      }
    }
  }
}

}  // namespace moesaic
