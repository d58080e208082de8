// How tokens reach the ranks of their experts, and how many rows of them cross which links.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/feed_forward.hpp"

namespace moesaic {

class Routing;
struct ExpertPlacement;
struct RankGrid;

enum class ExchangeKind : std::uint8_t {
  automatic,    ///< over several nodes low latency while decoding and normal else; inside a node an all-to-all
  normal,       ///< once to each node, forwarded there (DeepEP's normal kernels; 2412.19437 section 3.2)
  low_latency,  ///< a copy for each expert, straight to its rank (DeepEP's low-latency kernels)
  all_to_all    ///< an all-to-all of the library: a copy for each rank
};
/// "auto", "normal", "low-latency" or "all-to-all". Throws UserError with the nearest name.
ExchangeKind parse_exchange(std::string_view text);
std::string_view name(ExchangeKind kind);

/// Expected rows that a rank sends for each of its tokens.
struct ExchangeRows {
  double scale_up = 0;  ///< to other ranks of its node, what it forwards for others included
  double network = 0;   ///< to other nodes
};

/// Experts in equal contiguous blocks, or with `redundant` copies as a load balancer places them
/// (balanced_placement), on `expert_ranks` groups of ranks, each of `slices` ranks that hold a part of
/// every expert of the block and share a node; nodes of `node_ranks` ranks, all full.
struct ExchangeRanks {
  int expert_ranks = 1;
  int slices = 1;
  int node_ranks = 1;
  int redundant = 0;
  int ranks() const { return expert_ranks * slices; }
  int nodes() const { return (ranks() + node_ranks - 1) / node_ranks; }
};

/// What one way of exchange costs: the mean rank, and the busiest one (of those that send and those that receive).
struct ExchangeLoad {
  ExchangeRows mean;
  ExchangeRows busiest;
};

/// The loads of one layer by way (normal, low_latency, all_to_all), worked out once for a replica: closed forms for
/// uniform routing, seeded draws where popularity and a group limit meet (model/expert_traffic.hpp). Skewed routing
/// makes the ranks of popular experts receive more. Throws UserError where a group limit does not fit the experts.
using ExchangeLoads = std::array<ExchangeLoad, 3>;
ExchangeLoads exchange_loads(const MoeFeedForward& moe, const Routing& routing, const ExchangeRanks& ranks);
/// Where the experts are: contiguous blocks, or balanced by the routing where some are redundant.
ExpertPlacement placed_experts(const MoeFeedForward& moe, const Routing& routing, int redundant, const RankGrid& grid);
/// The experts as ranks hold them, block after block: copies share the tokens of their expert.
Routing placed_routing(const Routing& routing, const ExpertPlacement& placement);
inline const ExchangeLoad& load_of(const ExchangeLoads& loads, ExchangeKind kind) {
  return loads[static_cast<std::size_t>(kind) - 1];
}

/// Expected number of equal contiguous blocks of experts, of `blocks`, that one token's experts fall on, experts
/// equally popular and without a group limit: blocks * (1 - C(E - E/blocks, k) / C(E, k)).
double distinct_blocks(double experts, double top_k, double blocks);

}  // namespace moesaic
