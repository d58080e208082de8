#include "model/collective.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

using Algorithms = std::vector<CollectiveAlgorithm>;

/// Steps of the fastest exchange among the ranks of a node: one where a switch joins them, else around the ring.
double sweep(const CollectiveLinks& links, double ranks) { return ranks < 2 ? 0 : links.switched ? 1 : ranks - 1; }

Algorithms all_reduce_in_node(Bytes message, double n, const CollectiveLinks& links) {
  const double others = (n - 1) / n;
  if (!links.switched) {
    return {{.name = "ring", .steps = 2 * (n - 1), .wire = message * (2 * others)}};
  }
  Algorithms all{{.name = "one-shot", .steps = 1, .wire = message * (n - 1)},
                 {.name = "two-shot", .steps = 2, .wire = message * (2 * others)}};
  if (links.in_switch_reduction) {
    all.push_back({.name = "in-switch", .steps = 2, .wire = message * ((n + 1) / n)});
  }
  return all;
}

/// A sweep that gathers or scatters, once (all-gather, reduce-scatter) or there and back (all-reduce).
Algorithms over_nodes(Bytes message, double m, double g, double sweeps, const CollectiveLinks& links) {
  const double n = m * g, inside = (g - 1) / g, between = (m - 1) / m;
  const bool reduces = sweeps > 1;
  const bool in_switch = reduces && links.in_switch_reduction && links.switched;
  const Bytes wire = message * (in_switch ? std::min(2 * inside, (g + 1) / g) : sweeps * inside);
  const double steps = sweeps * sweep(links, g);
  Algorithms all{{.name = "ring",
                  .steps = sweeps * (n - m),
                  .network_steps = sweeps * (m - 1),
                  .wire = message * (sweeps * inside),
                  .network = message * (sweeps * (n - 1) / n / g)},
                 {.name = "hierarchical",
                  .steps = steps,
                  .network_steps = sweeps * (m - 1),
                  .wire = wire,
                  .network = message * (sweeps * between / g)}};
  if (reduces) {
    all.push_back({.name = "tree",
                   .steps = steps,
                   .network_steps = sweeps * std::ceil(std::log2(m)),
                   .wire = wire,
                   .network = message * (sweeps / g)});
  }
  return all;
}

Algorithms all_to_all(Bytes message, double m, double g) {
  const double n = m * g;
  Algorithms all{{.name = "direct",
                  .steps = n > m ? 1.0 : 0,
                  .network_steps = m > 1 ? 1.0 : 0,
                  .wire = message * ((g - 1) / n),
                  .network = message * ((m - 1) / m),
                  .messages = n - g}};
  if (m > 1 && g > 1) {
    all.push_back({.name = "two-phase",
                   .steps = 1,
                   .network_steps = 1,
                   .wire = message * ((g - 1) / g),
                   .network = message * ((m - 1) / m),
                   .messages = m - 1,
                   .pipelined = false});
  }
  return all;
}

}  // namespace

CollectiveLinks collective_links(const MachineView& view, int ranks, int stride) {
  CollectiveLinks links;
  links.nodes = nodes_of(view, ranks, stride);
  if (view.scale_up) {
    links.latency = view.scale_up_latency;
    links.bandwidth = {view.resources[*view.scale_up].capacity};
    links.switched = view.switched;
    links.in_switch_reduction = view.in_switch_reduction;
  }
  if (view.network) {
    links.network_latency = view.network_latency;
    links.network_bandwidth = {view.resources[*view.network].capacity};
    links.network_gap = view.network_gap;
  }
  MOESAIC_ASSERT(links.nodes == 1 || view.network);
  MOESAIC_ASSERT(ranks <= links.nodes || view.scale_up);
  return links;
}

Seconds CollectiveAlgorithm::latency_on(const CollectiveLinks& links) const {
  return links.latency * steps + links.network_latency * network_steps;
}

Seconds CollectiveAlgorithm::busy_on(const CollectiveLinks& links) const {
  const Seconds inside = wire.value > 0 ? wire / links.bandwidth : Seconds{};
  const Seconds between =
      network.value > 0 ? network / links.network_bandwidth + links.network_gap * (messages - 1) : Seconds{};
  return pipelined ? std::max(inside, between) : inside + between;
}

std::vector<CollectiveAlgorithm> collective_algorithms(const Collective& collective, const CollectiveLinks& links) {
  const double m = links.nodes, n = collective.ranks, g = n / m;
  const Bytes message = collective.bytes;
  if (collective.ranks < 2) {
    return {{.name = "none"}};
  }
  switch (collective.kind) {
    case CollectiveKind::all_reduce:
      return links.nodes > 1 ? over_nodes(message, m, g, 2, links) : all_reduce_in_node(message, n, links);
    case CollectiveKind::all_gather:
    case CollectiveKind::reduce_scatter:
      if (links.nodes > 1) {
        return over_nodes(message, m, g, 1, links);
      }
      return {{.name = links.switched ? "direct" : "ring", .steps = sweep(links, n), .wire = message * ((n - 1) / n)}};
    case CollectiveKind::all_to_all:
      return all_to_all(message, m, g);
    case CollectiveKind::broadcast:
      return {{.name = "chain",
               .steps = sweep(links, g),
               .network_steps = m - 1,
               .wire = links.nodes > 1 ? message * ((g - 1) / g) : message,
               .network = links.nodes > 1 ? message * (1 / g) : Bytes{}}};
    case CollectiveKind::send_receive:
      return {{.name = "direct",
               .steps = n > m ? 1.0 : 0,
               .network_steps = m > 1 ? 1.0 : 0,
               .wire = n > m ? message : Bytes{},
               .network = m > 1 ? message : Bytes{}}};
  }
  MOESAIC_ASSERT(false);
}

CollectiveAlgorithm fastest_algorithm(const Collective& collective, const CollectiveLinks& links) {
  const auto all = collective_algorithms(collective, links);
  return *std::min_element(all.begin(), all.end(), [&](const CollectiveAlgorithm& a, const CollectiveAlgorithm& b) {
    return (a.latency_on(links) + a.busy_on(links)).value < (b.latency_on(links) + b.busy_on(links)).value;
  });
}

}  // namespace moesaic
