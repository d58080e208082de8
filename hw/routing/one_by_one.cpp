#include <Random123/philox.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "hw/routing/router.hpp"

namespace moesaic {
namespace {

constexpr std::uint32_t kWhichWay = ~0u;

// Random numbers that are a function of the flow and the seed: one for each decision on its way.
class FlowHash {
 public:
  FlowHash(const Demanded& flow, std::uint32_t number, std::uint64_t seed)
      : flow_(flow),
        number_(number),
        key_{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}} {}

  /// From 0 to 1.
  double draw(std::uint32_t decision) const {
    const auto block = r123::Philox4x32()({{flow_.source, flow_.destination, number_, decision}}, key_);
    return std::ldexp(static_cast<double>(block[0]), -32) + std::ldexp(static_cast<double>(block[1]), -64);
  }

 private:
  const Demanded& flow_;
  std::uint32_t number_;
  r123::Philox4x32::key_type key_;
};

class OneByOne {
 public:
  explicit OneByOne(Router& router)
      : router_(router),
        ways_(router.flows.size()),
        to_(router.flows.size()),
        turn_(router.topology.devices),
        reader_(router.topology, router.network.graph) {
    network_.begin.resize(router.flows.size());
    network_.size.resize(router.flows.size());
    network_.latency.resize(router.flows.size());
  }

  Routes run() {
    for (std::uint32_t i = 0; i < ways_.size(); ++i) {
      choose_way(i);
    }
    cross_network();
    return assembled();
  }

 private:
  void choose_way(std::uint32_t i) {
    const Demanded& flow = router_.flows[i];
    if (flow.source == flow.destination || router_.inside_piece(flow) != kNoPiece) {
      return;
    }
    const std::span<const Way> ways = router_.ways_of(flow);
    std::size_t chosen = 0;
    if (ways.size() > 1 && router_.choice.policy == RoutePolicy::ecmp) {
      const double draw = FlowHash(flow, i, router_.choice.seed).draw(kWhichWay);
      chosen = std::min(ways.size() - 1, static_cast<std::size_t>(draw * static_cast<double>(ways.size())));
    } else if (router_.choice.policy == RoutePolicy::split) {
      chosen = turn_[flow.source]++ % ways.size();  // whole flows, dealt evenly
    }
    ways_[i] = ways[chosen];
    to_[i] = router_.ways.ports(flow.destination)[ways_[i].port].network;
    router_.ways.down(flow.destination, ways_[i].port);
    if (ways_[i].network != to_[i]) {
      crossing_.push_back(i);
    }
  }

  // Flows from one switch after another, so that one tree of paths is held at a time.
  void cross_network() {
    std::stable_sort(crossing_.begin(), crossing_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return ways_[a].network != ways_[b].network ? ways_[a].network < ways_[b].network : to_[a] < to_[b];
    });
    PathTree tree;
    for (std::size_t begin = 0, end = 0; begin < crossing_.size(); begin = end) {
      const std::uint32_t from = ways_[crossing_[begin]].network, to = to_[crossing_[begin]];
      while (end < crossing_.size() && ways_[crossing_[end]].network == from && to_[crossing_[end]] == to) {
        ++end;
      }
      if (tree.distance.empty() || tree.root != from) {
        tree.find(router_.network.graph, from);
      }
      const std::span<const std::uint32_t> members(crossing_.data() + begin, end - begin);
      if (router_.choice.policy == RoutePolicy::split) {
        deal_flows(reader_, tree, to, members, router_.flows, network_);
        continue;
      }
      for (const std::uint32_t i : members) {
        add_path(tree, to, i);
      }
    }
  }

  void add_path(const PathTree& tree, std::uint32_t to, std::uint32_t i) {
    const FlowHash hash(router_.flows[i], i, router_.choice.seed);
    std::uint32_t decision = 0;
    network_.begin[i] = network_.hops.size();
    network_.latency[i] = static_cast<float>(reader_.one(
        tree, to,
        [&](const std::vector<PathReader::Step>& steps) {
          if (router_.choice.policy == RoutePolicy::shortest) {
            return first_step(steps);
          }
          const double all = std::accumulate(steps.begin(), steps.end(), 0.0,
                                             [](double sum, const auto& step) { return sum + step.paths; });
          double draw = hash.draw(decision++) * all;
          std::size_t chosen = 0;
          while (chosen + 1 < steps.size() && draw >= steps[chosen].paths) {
            draw -= steps[chosen++].paths;
          }
          return chosen;
        },
        network_.hops));
    network_.size[i] = static_cast<std::uint32_t>(network_.hops.size() - network_.begin[i]);
  }

  Routes assembled() {
    Routes routes;
    routes.first.reserve(ways_.size() + 1);
    routes.latency.reserve(ways_.size());
    routes.first.push_back(0);
    for (std::uint32_t i = 0; i < ways_.size(); ++i) {
      const Demanded& flow = router_.flows[i];
      float latency = 0;
      const auto add = [&](PieceId piece) {
        if (piece != kNoPiece) {
          const std::span<const Routes::Hop> hops = std::as_const(router_.pieces).hops(piece);
          routes.hops.insert(routes.hops.end(), hops.begin(), hops.end());
          latency += router_.pieces.latency(piece);
        }
      };
      if (ways_[i].up == kNoPiece) {
        add(flow.source == flow.destination ? kNoPiece : router_.inside_piece(flow));
      } else {
        add(ways_[i].inside);
        add(ways_[i].up);
        const auto begin = network_.hops.begin() + static_cast<std::ptrdiff_t>(network_.begin[i]);
        routes.hops.insert(routes.hops.end(), begin, begin + network_.size[i]);
        latency += network_.latency[i];
        add(router_.ways.down(flow.destination, ways_[i].port));
      }
      routes.first.push_back(static_cast<std::uint32_t>(routes.hops.size()));
      routes.latency.push_back(latency);
    }
    return routes;
  }

  Router& router_;
  std::vector<Way> ways_;            // of each flow
  std::vector<std::uint32_t> to_;    // of each flow: the last switch
  std::vector<std::uint32_t> turn_;  // of each device: flows dealt so far
  std::vector<std::uint32_t> crossing_;
  PathReader reader_;
  NetworkHops network_;
};

}  // namespace

Routes route_one_by_one(Router& router) { return OneByOne(router).run(); }

}  // namespace moesaic
