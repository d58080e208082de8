#include "model/expert_exchange.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/expert_traffic.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kExchangeNames[] = {"auto", "normal", "low-latency", "all-to-all"};

/// Rows of one rank for each token of one rank; those of a block's slices are alike.
ExchangeLoad load_of(const ExpertHits& hits, CopyRule rule, const ExchangeRanks& ranks) {
  const std::vector<double> tokens(static_cast<std::size_t>(hits.grid.ranks), 1.0);
  const TrafficSummary summary = summarize(expert_traffic(hits, tokens, rule));
  const double slices = ranks.slices;
  // A row for a block goes to each of its slices; the node's one copy does not.
  const double network = rule == CopyRule::per_node ? 1 : slices;
  ExchangeLoad load;
  load.mean = {summary.scale_up_sent.mean * slices, summary.network_sent.mean * network};
  load.busiest = {std::max(summary.scale_up_sent.most, summary.scale_up_received.most) * slices,
                  std::max(summary.network_sent.most, summary.network_received.most) * network};
  return load;
}

}  // namespace

std::string_view name(ExchangeKind kind) { return kExchangeNames[static_cast<std::size_t>(kind)]; }

ExchangeKind parse_exchange(std::string_view text) {
  const auto* found = std::find(std::begin(kExchangeNames), std::end(kExchangeNames), text);
  if (found == std::end(kExchangeNames)) {
    throw UserError("--exchange: unknown way '" + printable(text) + "'" +
                    suggest(text, std::vector<std::string>(std::begin(kExchangeNames), std::end(kExchangeNames))));
  }
  return static_cast<ExchangeKind>(found - std::begin(kExchangeNames));
}

ExchangeLoads exchange_loads(const MoeFeedForward& moe, const Routing& routing, const ExchangeRanks& ranks) {
  const int nodes = ranks.nodes();
  if (ranks.expert_ranks % nodes != 0) {
    throw UserError("--map: ep=" + std::to_string(ranks.expert_ranks) + " does not divide evenly over the " +
                    std::to_string(nodes) + " nodes; experts then cross nodes in uneven parts");
  }
  const RankGrid grid{ranks.expert_ranks, ranks.expert_ranks / nodes};
  HitOptions options;
  options.limit = {moe.groups, moe.node_limit};
  const ExpertHits hits = expert_hits(routing, placed_experts(moe, routing, ranks.redundant, grid), options);
  return {load_of(hits, CopyRule::per_node, ranks), load_of(hits, CopyRule::per_expert, ranks),
          load_of(hits, CopyRule::per_rank, ranks)};
}

ExpertPlacement placed_experts(const MoeFeedForward& moe, const Routing& routing, int redundant, const RankGrid& grid) {
  return redundant > 0 ? balanced_placement(routing.inclusion(), redundant, grid, moe.groups)
                       : contiguous_placement(moe.experts, 0, grid);
}

Routing placed_routing(const Routing& routing, const ExpertPlacement& placement) {
  if (routing.is_even()) {
    return Routing::even(static_cast<std::int64_t>(placement.slots.size()), routing.top_k());
  }
  std::vector<double> copies(static_cast<std::size_t>(placement.experts), 0.0), popularity;
  for (const std::int32_t expert : placement.slots) {
    copies[static_cast<std::size_t>(expert)] += 1;
  }
  for (const std::int32_t expert : placement.slots) {
    popularity.push_back(routing.inclusion()[static_cast<std::size_t>(expert)] /
                         copies[static_cast<std::size_t>(expert)]);
  }
  return Routing::histogram(routing.top_k(), std::move(popularity));
}

double distinct_blocks(double experts, double top_k, double blocks) {
  double none = 1;
  const double per_block = experts / blocks;
  for (double i = 0; i < top_k; ++i) {
    none *= std::max(0.0, (experts - per_block - i) / (experts - i));
  }
  return blocks * (1 - none);
}

}  // namespace moesaic
