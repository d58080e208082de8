// Private to hw: what all policies of routing share.
#pragma once

#include <span>
#include <vector>

#include "hw/routing/ways.hpp"

namespace moesaic {

/// A topology made ready for routing, and the pieces that routes are made of.
struct Router {
  Router(const Topology& topology, const RouteChoice& choice, std::span<const Demanded> flows);

  const Topology& topology;
  const RouteChoice& choice;
  std::span<const Demanded> flows;
  Adjacency whole;
  NetworkGraph network;
  Pieces pieces;
  NodePaths inside;
  Ways ways;

  bool same_node(const Demanded& flow) const {
    return topology.vertices[flow.source].node == topology.vertices[flow.destination].node;
  }
  /// Inside the node; kNoPiece where the flow leaves it, or has no way within.
  PieceId inside_piece(const Demanded& flow) {
    return same_node(flow) ? inside.between(flow.source, flow.destination) : kNoPiece;
  }
  /// Through the network; throws UserError where there is no way.
  std::span<const Way> ways_of(const Demanded& flow) {
    const std::span<const Way> found = ways.between(flow.source, flow.destination);
    return found.empty() ? refuse(flow) : found;
  }

 private:
  [[noreturn]] std::span<const Way> refuse(const Demanded& flow) const;
};

/// spray and adaptive: every flow over all its ways and paths.
Routes spread_flows(Router& router);
/// shortest, ecmp and split: every flow by itself, or cut into few parts.
Routes route_one_by_one(Router& router);

/// All flows from one switch to another, in bytes, and the paths that they share.
struct SwitchPair {
  std::uint32_t from = 0, to = 0;
  PieceId piece = kNoPiece;
  double bytes = 0;
};
/// Changes the shares of the pairs' pieces so that the busiest channel between switches is about as little busy as
/// shortest paths allow. Returns a time that it cannot stay below, whatever the shares.
Seconds even_out(const Topology& topology, const NetworkGraph& network, std::span<const SwitchPair> pairs,
                 Pieces& pieces);

/// Hops of each flow through the network, written in any order.
struct NetworkHops {
  std::vector<std::size_t> begin;
  std::vector<std::uint32_t> size;
  std::vector<float> latency;
  std::vector<Routes::Hop> hops;
};
/// Deals flows of one pair of switches over its paths (2407.00550): of S paths and F equal flows each path takes
/// floor(F/S) whole ones, and the rest is laid end to end and cut into S equal parts.
void deal_flows(PathReader& reader, const PathTree& tree, std::uint32_t target, std::span<const std::uint32_t> members,
                std::span<const Demanded> flows, NetworkHops& network);

}  // namespace moesaic
