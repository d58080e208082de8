// Load balancing with redundant experts, written from the description in the README of DeepSeek's EPLB: groups to
// nodes, copies of the heaviest experts within a node, copies to ranks.
#include <algorithm>
#include <cstddef>

#include "base/error.hpp"
#include "model/expert_placement.hpp"
#include "model/packing.hpp"

namespace moesaic {
namespace {

// How often each is held when `redundant` times the one with the most load a copy gets another.
Indices copy_counts(std::span<const double> weights, std::size_t redundant) {
  Indices counts(weights.size(), 1);
  for (; redundant > 0; --redundant) {
    std::size_t most = 0;
    for (std::size_t i = 1; i < weights.size(); ++i) {
      if (weights[i] / static_cast<double>(counts[i]) > weights[most] / static_cast<double>(counts[most])) {
        most = i;
      }
    }
    ++counts[most];
  }
  return counts;
}

}  // namespace

ExpertPlacement balanced_placement(std::span<const double> loads, std::int64_t redundant, const RankGrid& grid,
                                   std::int64_t groups) {
  const auto experts = static_cast<std::int64_t>(loads.size());
  const auto room = static_cast<std::size_t>(slots_of_rank(experts, redundant, grid));
  MOESAIC_ASSERT(std::all_of(loads.begin(), loads.end(), [](double load) { return load >= 0; }));
  const bool by_group =
      groups > 0 && groups % grid.nodes() == 0 && experts % groups == 0 && redundant % grid.nodes() == 0;
  const auto nodes = static_cast<std::size_t>(by_group ? grid.nodes() : 1);
  const std::size_t chunks = by_group ? static_cast<std::size_t>(groups) : 1;
  const std::size_t chunk = loads.size() / chunks, node_ranks = static_cast<std::size_t>(grid.ranks) / nodes;

  std::vector<double> chunk_loads(chunks, 0.0);
  for (std::size_t e = 0; e < loads.size(); ++e) {
    chunk_loads[e / chunk] += loads[e];
  }
  ExpertPlacement placement{experts, grid, {}};
  for (Indices& node_chunks : pack(chunk_loads, nodes)) {
    std::sort(node_chunks.begin(), node_chunks.end());
    Indices held;
    std::vector<double> weights;
    for (const std::size_t c : node_chunks) {
      for (std::size_t e = c * chunk; e < (c + 1) * chunk; ++e) {
        held.push_back(e);
        weights.push_back(loads[e]);
      }
    }
    const Indices counts = copy_counts(weights, room * node_ranks - held.size());
    Indices copies;
    std::vector<double> copy_weights;
    for (std::size_t i = 0; i < held.size(); ++i) {
      copies.insert(copies.end(), counts[i], held[i]);
      copy_weights.insert(copy_weights.end(), counts[i], weights[i] / static_cast<double>(counts[i]));
    }
    std::vector<Indices> ranks = pack(copy_weights, node_ranks);
    for (Indices& rank : ranks) {
      std::sort(rank.begin(), rank.end());
      for (const std::size_t copy : rank) {
        placement.slots.push_back(static_cast<std::int32_t>(copies[copy]));
      }
    }
  }
  return placement;
}

}  // namespace moesaic
