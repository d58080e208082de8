// How tokens reach the ranks of their experts, and how many rows of them cross which links.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/feed_forward.hpp"

namespace moesaic {

enum class ExchangeKind : std::uint8_t {
  automatic,    ///< over several nodes low latency while decoding and normal else; inside a node an all-to-all
  normal,       ///< once to each node, forwarded there (DeepEP's normal kernels; 2412.19437 section 3.2)
  low_latency,  ///< a copy for each expert, straight to its rank (DeepEP's low-latency kernels)
  all_to_all    ///< an all-to-all of the library: a copy for each rank
};
/// "auto", "normal", "low-latency" or "all-to-all". Throws UserError with the nearest name.
ExchangeKind parse_exchange(std::string_view text);
std::string_view name(ExchangeKind kind);

/// Expected rows that a rank sends for each of its tokens, experts equally popular.
struct ExchangeRows {
  double scale_up = 0;  ///< to other ranks of its node, what it forwards for others included
  double network = 0;   ///< to other nodes
};
/// Experts lie in equal contiguous blocks on `expert_ranks` groups of ranks, in `nodes` nodes of `node_ranks` ranks; a
/// row for a block goes to all its `slices` ranks, which share a node.
ExchangeRows exchange_rows(const MoeFeedForward& moe, int expert_ranks, int slices, int nodes, int node_ranks,
                           ExchangeKind kind);

/// Expected number of equal contiguous blocks of experts, of `blocks`, that one token's experts fall on, experts
/// equally popular: blocks * (1 - C(E - E/blocks, k) / C(E, k)); at most the layer's limit where blocks are its groups'
/// nodes.
double distinct_blocks(const MoeFeedForward& moe, double blocks);

}  // namespace moesaic
