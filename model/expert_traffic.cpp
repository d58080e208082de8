#include "model/expert_traffic.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// Sums of one matrix by sender or receiver, the diagonal left out.
Busiest busiest(const std::vector<double>& copies, std::size_t ranks, bool sent) {
  Busiest result;
  for (std::size_t i = 0; i < ranks; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < ranks; ++j) {
      sum += i == j ? 0 : copies[sent ? i * ranks + j : j * ranks + i];
    }
    result.most = std::max(result.most, sum);
    result.mean += sum / static_cast<double>(ranks);
  }
  return result;
}

}  // namespace

ExpertTraffic expert_traffic(const ExpertHits& hits, std::span<const double> tokens, CopyRule rule) {
  const RankGrid& grid = hits.grid;
  const auto ranks = static_cast<std::size_t>(grid.ranks), per_node = static_cast<std::size_t>(grid.per_node);
  MOESAIC_ASSERT(tokens.size() == ranks);
  ExpertTraffic traffic{.grid = grid,
                        .network = std::vector<double>(ranks * ranks, 0.0),
                        .scale_up = std::vector<double>(ranks * ranks, 0.0),
                        .rows = std::vector<double>(ranks, 0.0)};
  for (std::size_t sender = 0; sender < ranks; ++sender) {
    const TokenHits& token = hits.from(static_cast<std::int64_t>(sender));
    const std::vector<double>& copies = rule == CopyRule::per_expert ? token.pairs : token.rank;
    const double count = tokens[sender];
    const std::size_t own = sender / per_node, position = sender % per_node;
    for (std::size_t node = 0; node < token.node.size(); ++node) {
      const std::size_t relay = node * per_node + position;
      const bool forwards = rule == CopyRule::per_node && node != own;
      if (forwards) {
        traffic.network[sender * ranks + relay] += count * token.node[node];
      }
      for (std::size_t r = node * per_node; r < (node + 1) * per_node; ++r) {
        if (node == own || forwards) {
          traffic.scale_up[relay * ranks + r] += count * copies[r];
        } else {
          traffic.network[sender * ranks + r] += count * copies[r];
        }
        traffic.rows[r] += count * token.pairs[r];
      }
    }
    traffic.tokens += count;
    traffic.local_pairs += count * token.pairs[sender];
    traffic.distinct_ranks += count * std::accumulate(token.rank.begin(), token.rank.end(), 0.0);
    traffic.distinct_nodes += count * std::accumulate(token.node.begin(), token.node.end(), 0.0);
  }
  if (traffic.tokens > 0) {
    traffic.distinct_ranks /= traffic.tokens;
    traffic.distinct_nodes /= traffic.tokens;
  }
  return traffic;
}

TrafficSummary summarize(const ExpertTraffic& traffic) {
  const auto ranks = static_cast<std::size_t>(traffic.grid.ranks);
  const double pairs = std::accumulate(traffic.rows.begin(), traffic.rows.end(), 0.0);
  return {.imbalance = imbalance(traffic.rows),
          .network_sent = busiest(traffic.network, ranks, true),
          .network_received = busiest(traffic.network, ranks, false),
          .scale_up_sent = busiest(traffic.scale_up, ranks, true),
          .scale_up_received = busiest(traffic.scale_up, ranks, false),
          .distinct_ranks = traffic.distinct_ranks,
          .distinct_nodes = traffic.distinct_nodes,
          .local_activation = pairs > 0 ? traffic.local_pairs / pairs : 0};
}

}  // namespace moesaic
