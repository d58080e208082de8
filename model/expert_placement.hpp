// Which ranks hold which experts, some of them more than once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/expert_groups.hpp"

namespace moesaic {

/// The ranks over which the experts of a layer are spread, in nodes of equally many; rank r is on node r / per_node.
struct RankGrid {
  std::int64_t ranks = 1;
  std::int64_t per_node = 1;
  std::int64_t nodes() const { return ranks / per_node; }
  std::int64_t node(std::int64_t rank) const { return rank / per_node; }
  bool operator==(const RankGrid&) const = default;
};

/// Throws UserError unless both are positive and nodes are full.
void check_grid(const RankGrid& grid);

/// Every rank has equally many slots, each with one expert; every expert is in at least one slot.
struct ExpertPlacement {
  std::int64_t experts = 0;
  RankGrid grid;
  std::vector<std::int32_t> slots;  ///< expert of every slot, rank after rank

  std::int64_t slots_per_rank() const { return static_cast<std::int64_t>(slots.size()) / grid.ranks; }
  std::span<const std::int32_t> rank_slots(std::int64_t rank) const;
  bool operator==(const ExpertPlacement&) const = default;
};

/// Slots of one rank. Throws UserError if experts and redundant ones do not fill all ranks evenly, or are fewer than
/// the ranks.
std::int64_t slots_of_rank(std::int64_t experts, std::int64_t redundant, const RankGrid& grid);

/// Experts 0, 1, 2, ... in blocks of neighbours; `redundant` slots after the last expert begin again at expert 0.
ExpertPlacement contiguous_placement(std::int64_t experts, std::int64_t redundant, const RankGrid& grid);
/// The same list dealt to the ranks one by one.
ExpertPlacement round_robin_placement(std::int64_t experts, std::int64_t redundant, const RankGrid& grid);
/// Balances `loads` (one an expert, any scale) with copies of the heaviest experts, as DeepSeek's load balancer is
/// described (github.com/deepseek-ai/EPLB, README). Where the nodes divide `groups`: whole groups are packed to nodes,
/// experts are copied within nodes, and copies packed to ranks. Else the whole grid counts as one node.
ExpertPlacement balanced_placement(std::span<const double> loads, std::int64_t redundant, const RankGrid& grid,
                                   std::int64_t groups = 0);

/// Load of every rank when the copies of an expert share its load evenly.
std::vector<double> rank_loads(const ExpertPlacement& placement, std::span<const double> loads);
/// Largest over mean; 1 if nothing is loaded.
double imbalance(std::span<const double> rank_loads);

}  // namespace moesaic
