#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.hpp"
#include "hw/routing/router.hpp"

namespace moesaic {
namespace {

class Spreading {
 public:
  explicit Spreading(Router& router) : router_(router), rows_(router.network.switches.size()) {}

  Routes run() {
    collect();
    find_paths();
    Routes routes;
    if (router_.choice.policy == RoutePolicy::adaptive) {
      routes.busiest_bound = even_out(router_.topology, router_.network, pairs_, router_.pieces);
    }
    if (!router_.choice.every_channel) {
      router_.pieces.leave_out_repeated(router_.topology);
    }
    write(routes);
    return routes;
  }

 private:
  // Finds the ways of all flows and lists the pairs of switches between which they go.
  void collect() {
    for (const Demanded& flow : router_.flows) {
      if (flow.source == flow.destination || router_.inside_piece(flow) != kNoPiece) {
        continue;
      }
      const std::span<const Way> ways = router_.ways_of(flow);
      for (const Way& way : ways) {
        const std::uint32_t to = router_.ways.ports(flow.destination)[way.port].network;
        router_.ways.down(flow.destination, way.port);
        if (way.network != to) {
          pairs_[pair_of(way.network, to)].bytes += flow.bytes / static_cast<double>(ways.size());
        }
      }
    }
  }

  std::uint32_t pair_of(std::uint32_t from, std::uint32_t to) {
    std::vector<std::uint32_t>& row = rows_[from];
    if (row.empty()) {
      row.assign(rows_.size(), kNone);
    }
    if (row[to] == kNone) {
      row[to] = static_cast<std::uint32_t>(pairs_.size());
      pairs_.push_back({from, to});
    }
    return row[to];
  }

  void find_paths() {
    std::vector<SwitchPair*> order;
    for (SwitchPair& pair : pairs_) {
      order.push_back(&pair);
    }
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->from < b->from; });
    PathTree tree;
    PathReader reader(router_.topology, router_.network.graph);
    std::vector<Routes::Hop> hops;
    for (SwitchPair* pair : order) {
      if (tree.distance.empty() || tree.root != pair->from) {
        tree.find(router_.network.graph, pair->from);
      }
      const double latency = reader.spread(tree, pair->to, hops);
      pair->piece = router_.pieces.add(hops, latency);
      rows_[pair->from][pair->to] = pair->piece;
    }
  }

  // Calls use(pieces, share) for each way of a flow; places without a piece are kNoPiece.
  template <class Use>
  void for_ways(const Demanded& flow, Use&& use) {
    if (flow.source == flow.destination) {
      return;
    }
    if (const PieceId inside = router_.inside_piece(flow); inside != kNoPiece) {
      use(std::array{inside, kNoPiece, kNoPiece, kNoPiece}, 1.0f);
      return;
    }
    const std::span<const Way> ways = router_.ways.between(flow.source, flow.destination);
    for (const Way& way : ways) {
      const std::uint32_t to = router_.ways.ports(flow.destination)[way.port].network;
      const PieceId across = way.network == to ? kNoPiece : rows_[way.network][to];
      use(std::array{way.inside, way.up, across, router_.ways.down(flow.destination, way.port)},
          1 / static_cast<float>(ways.size()));
    }
  }

  std::size_t count_hops() {
    std::size_t total = 0;
    for (const Demanded& flow : router_.flows) {
      for_ways(flow, [&](const auto& way, float) {
        for (const PieceId piece : way) {
          total += piece == kNoPiece ? 0 : router_.pieces.hops(piece).size();
        }
      });
    }
    if (total > std::numeric_limits<std::uint32_t>::max()) {
      throw UserError(fmt::format("the routes of {} flows have {} hops, more than 2^32; route fewer flows at a time",
                                  router_.flows.size(), total));
    }
    return total;
  }

  void write(Routes& routes) {
    const Pieces& pieces = router_.pieces;
    routes.first.reserve(router_.flows.size() + 1);
    routes.latency.reserve(router_.flows.size());
    routes.hops.reserve(count_hops());
    routes.first.push_back(0);
    for (const Demanded& flow : router_.flows) {
      const std::size_t before = routes.hops.size();
      float longest = 0;
      bool several = false;
      for_ways(flow, [&](const auto& way, float share) {
        float latency = 0;
        for (const PieceId piece : way) {
          if (piece != kNoPiece) {
            for (const Routes::Hop& hop : pieces.hops(piece)) {
              routes.hops.push_back({hop.channel, hop.share * share});
            }
            latency += pieces.latency(piece);
          }
        }
        longest = std::max(longest, latency);
        several = share < 1;
      });
      if (several) {
        merge(routes.hops, before);
      }
      routes.first.push_back(static_cast<std::uint32_t>(routes.hops.size()));
      routes.latency.push_back(longest);
    }
  }

  // Ways of one flow may share channels.
  static void merge(std::vector<Routes::Hop>& hops, std::size_t begin) {
    std::size_t end = begin;
    for (std::size_t i = begin; i < hops.size(); ++i) {
      const auto same = std::find_if(hops.begin() + static_cast<std::ptrdiff_t>(begin),
                                     hops.begin() + static_cast<std::ptrdiff_t>(end),
                                     [&](const Routes::Hop& hop) { return hop.channel == hops[i].channel; });
      if (same != hops.begin() + static_cast<std::ptrdiff_t>(end)) {
        same->share += hops[i].share;
      } else {
        hops[end++] = hops[i];
      }
    }
    hops.resize(end);
  }

  static constexpr std::uint32_t kNone = ~0u;
  Router& router_;
  std::vector<std::vector<std::uint32_t>> rows_;  // of each switch: first its pairs, then their pieces
  std::vector<SwitchPair> pairs_;
};

}  // namespace

Routes spread_flows(Router& router) { return Spreading(router).run(); }

}  // namespace moesaic
