// Who sends how many tokens to whom when a layer's experts are spread over ranks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/expert_groups.hpp"
#include "model/expert_placement.hpp"
#include "model/routing.hpp"
#include "model/routing_trace.hpp"

namespace moesaic {

/// Which of an expert's copies a token uses: any of them, evenly; or evenly among those of the sender's own node where
/// it has one.
enum class ReplicaRule : unsigned char { even, own_node };

/// How copies of a token travel. per_expert: one for every chosen expert (DeepEP's low-latency kernels). per_rank: one
/// for every distinct rank. per_node: one for every distinct other node, to the rank of the sender's position there,
/// which forwards one for every distinct rank of that node (DeepEP's normal kernels between nodes).
enum class CopyRule : unsigned char { per_expert, per_rank, per_node };

/// What one token asks of the ranks, in expectation.
struct TokenHits {
  std::vector<double> pairs;  ///< of every rank: experts of the token that it computes
  std::vector<double> rank;   ///< chance that it computes any
  std::vector<double> node;   ///< chance that any rank of the node does
};

/// The hits of a token by the rank that it comes from.
struct ExpertHits {
  RankGrid grid;
  std::int64_t top_k = 0;
  std::vector<TokenHits> sources;  ///< one for all ranks, one a node, or one a rank
  const TokenHits& from(std::int64_t rank) const;
};

struct HitOptions {
  ReplicaRule replicas = ReplicaRule::even;
  GroupLimit limit;
  std::int64_t samples = 1 << 15;  ///< tokens drawn where there is no closed form
  std::uint64_t seed = 1;
};

/// How often one token uses every expert; differs from routing.inclusion() where a group limit meets a skewed routing.
std::vector<double> expert_uses(const Routing& routing, const HitOptions& options);
/// Expected hits. Exact for uniform routing (model/miss_chance.hpp), and exact in pairs wherever no group limit meets a
/// skewed routing; the rest is drawn: a function of the seed. Throws UserError if routing, limit and placement do not
/// fit each other.
ExpertHits expert_hits(const Routing& routing, const ExpertPlacement& placement, const HitOptions& options = {});
/// Hits of recorded tokens, dealt to the ranks in equal runs; copies of an expert take turns. Throws UserError if there
/// are fewer tokens than ranks.
ExpertHits traced_hits(const RoutingTrace& trace, std::size_t layer, const ExpertPlacement& placement,
                       ReplicaRule replicas = ReplicaRule::even);

/// Copies of tokens between ranks, in one layer's dispatch; combining the results sends as many back the other way.
struct ExpertTraffic {
  RankGrid grid;
  std::vector<double> network;   ///< [sender, receiver] on different nodes, row after row
  std::vector<double> scale_up;  ///< within nodes, forwarded ones included; on the diagonal what a rank keeps
  std::vector<double> rows;      ///< (token, expert) pairs that every rank computes
  double tokens = 0;             ///< of all ranks
  double local_pairs = 0;        ///< pairs whose expert is on the token's own rank
  double distinct_ranks = 0;     ///< that a token uses, its own included; mean
  double distinct_nodes = 0;
};
/// `tokens` of every rank, one number a rank. per_expert and per_rank send straight to the rank; see CopyRule.
ExpertTraffic expert_traffic(const ExpertHits& hits, std::span<const double> tokens, CopyRule rule);

/// Busiest and mean rank of one direction of one matrix, in copies.
struct Busiest {
  double most = 0;
  double mean = 0;
};
/// What a cost model asks of the traffic.
struct TrafficSummary {
  double imbalance = 1;  ///< rows of the busiest rank over the mean
  Busiest network_sent, network_received, scale_up_sent, scale_up_received;
  double distinct_ranks = 0, distinct_nodes = 0;  ///< a token, its own included; mean
  double local_activation = 0;                    ///< share of pairs whose expert is on the token's own rank
};
TrafficSummary summarize(const ExpertTraffic& traffic);

}  // namespace moesaic
