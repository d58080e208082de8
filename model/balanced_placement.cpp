// Load balancing with redundant experts, written from the description in the README of DeepSeek's EPLB: groups to
// nodes, copies of the heaviest experts within a node, copies to ranks.
#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"
#include "model/expert_placement.hpp"
#include "model/packing.hpp"

namespace moesaic {
namespace {

// Which items are held: all once, and then `redundant` times another copy of the one with the most load a copy.
Indices with_copies(std::span<const double> weights, std::size_t redundant) {
  Indices held(weights.size());
  std::iota(held.begin(), held.end(), std::size_t{0});
  std::vector<double> counts(weights.size(), 1);
  for (; redundant > 0; --redundant) {
    std::size_t most = 0;
    for (std::size_t i = 1; i < weights.size(); ++i) {
      most = weights[i] / counts[i] > weights[most] / counts[most] ? i : most;
    }
    counts[most] += 1;
    held.push_back(most);
  }
  return held;
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
  for (const Indices& node_chunks : pack(chunk_loads, nodes)) {
    Indices mine;
    std::vector<double> weights;
    for (const std::size_t c : node_chunks) {
      for (std::size_t e = c * chunk; e < (c + 1) * chunk; ++e) {
        mine.push_back(e);
        weights.push_back(loads[e]);
      }
    }
    const Indices held = with_copies(weights, room * node_ranks - mine.size());
    std::vector<double> copies(mine.size(), 0.0), copy_weights;
    for (const std::size_t item : held) {
      copies[item] += 1;
    }
    for (const std::size_t item : held) {
      copy_weights.push_back(weights[item] / copies[item]);
    }
    const std::vector<Indices> ranks = pack(copy_weights, node_ranks);
    for (const Indices& rank : ranks) {
      const std::size_t first = placement.slots.size();
      for (const std::size_t copy : rank) {
        placement.slots.push_back(static_cast<std::int32_t>(mine[held[copy]]));
      }
      std::sort(placement.slots.begin() + static_cast<std::ptrdiff_t>(first), placement.slots.end());
    }
  }
  return placement;
}

}  // namespace moesaic
