#include "model/expert_placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostRanks = 4096, kMostSlots = 1 << 22;

}  // namespace

void check_grid(const RankGrid& grid) {
  if (grid.ranks < 1 || grid.ranks > kMostRanks) {
    throw UserError(fmt::format("expert placement: {} ranks; allowed: 1 to {}", grid.ranks, kMostRanks));
  }
  if (grid.per_node < 1 || grid.ranks % grid.per_node != 0) {
    throw UserError(fmt::format("expert placement: {} ranks do not fill nodes of {}; ranks must be a multiple of it",
                                grid.ranks, grid.per_node));
  }
}

void check_group_limit(const GroupLimit& limit, std::int64_t experts, std::int64_t top_k) {
  if (limit.most == 0) {
    return;
  }
  if (limit.groups < 1 || experts % limit.groups != 0) {
    throw UserError(fmt::format("expert groups: {} groups do not divide {} experts", limit.groups, experts));
  }
  if (limit.most < 0 || limit.most > limit.groups) {
    throw UserError(fmt::format("expert groups: a token uses {} of {} groups; allowed: 1 to all of them", limit.most,
                                limit.groups));
  }
  if (const std::int64_t within = limit.most * (experts / limit.groups); within < top_k) {
    throw UserError(
        fmt::format("expert groups: {} groups hold {} experts; a token needs {}", limit.most, within, top_k));
  }
}

std::span<const std::int32_t> ExpertPlacement::rank_slots(std::int64_t rank) const {
  const auto count = static_cast<std::size_t>(slots_per_rank());
  return std::span(slots).subspan(static_cast<std::size_t>(rank) * count, count);
}

std::int64_t slots_of_rank(std::int64_t experts, std::int64_t redundant, const RankGrid& grid) {
  check_grid(grid);
  if (experts < 1 || redundant < 0 || experts + redundant > kMostSlots) {
    throw UserError(
        fmt::format("expert placement: {} experts and {} redundant ones; allowed: 1 to {} together, none "
                    "negative",
                    experts, redundant, kMostSlots));
  }
  const std::int64_t slots = experts + redundant;
  if (slots < grid.ranks) {
    throw UserError(
        fmt::format("expert placement: {} ranks are more than {} experts and {} redundant ones; add at least "
                    "{} redundant experts",
                    grid.ranks, experts, redundant, grid.ranks - experts));
  }
  if (slots % grid.ranks != 0) {
    const std::int64_t up = (slots + grid.ranks - 1) / grid.ranks * grid.ranks - experts;
    const std::int64_t down = slots / grid.ranks * grid.ranks - experts;
    throw UserError(
        fmt::format("expert placement: {} experts and {} redundant ones do not fill {} ranks evenly; nearest "
                    "numbers of redundant experts: {}{}",
                    experts, redundant, grid.ranks, down >= 0 ? fmt::format("{} and ", down) : "", up));
  }
  return slots / grid.ranks;
}

ExpertPlacement contiguous_placement(std::int64_t experts, std::int64_t redundant, const RankGrid& grid) {
  const std::int64_t count = slots_of_rank(experts, redundant, grid) * grid.ranks;
  ExpertPlacement placement{experts, grid, std::vector<std::int32_t>(static_cast<std::size_t>(count))};
  for (std::size_t i = 0; i < placement.slots.size(); ++i) {
    placement.slots[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(experts));
  }
  return placement;
}

ExpertPlacement round_robin_placement(std::int64_t experts, std::int64_t redundant, const RankGrid& grid) {
  const ExpertPlacement blocks = contiguous_placement(experts, redundant, grid);
  const auto ranks = static_cast<std::size_t>(grid.ranks), count = blocks.slots.size() / ranks;
  ExpertPlacement placement = blocks;
  for (std::size_t i = 0; i < blocks.slots.size(); ++i) {
    placement.slots[i % ranks * count + i / ranks] = blocks.slots[i];
  }
  return placement;
}

std::vector<double> rank_loads(const ExpertPlacement& placement, std::span<const double> loads) {
  MOESAIC_ASSERT(static_cast<std::int64_t>(loads.size()) == placement.experts);
  std::vector<double> copies(loads.size(), 0.0), result(static_cast<std::size_t>(placement.grid.ranks), 0.0);
  for (const std::int32_t expert : placement.slots) {
    copies[static_cast<std::size_t>(expert)] += 1;
  }
  const std::size_t count = placement.slots.size() / result.size();
  for (std::size_t i = 0; i < placement.slots.size(); ++i) {
    const auto expert = static_cast<std::size_t>(placement.slots[i]);
    result[i / count] += loads[expert] / copies[expert];
  }
  return result;
}

double imbalance(std::span<const double> rank_loads) {
  const double sum = std::accumulate(rank_loads.begin(), rank_loads.end(), 0.0);
  return sum > 0
             ? *std::max_element(rank_loads.begin(), rank_loads.end()) * static_cast<double>(rank_loads.size()) / sum
             : 1;
}

}  // namespace moesaic
