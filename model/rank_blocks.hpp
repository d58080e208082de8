// Which experts a rank holds: contiguous blocks, the first ranks one expert more if it does not divide.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace moesaic {

struct ExpertBlock {
  std::size_t first = 0;
  std::size_t count = 0;
};

inline ExpertBlock expert_block(std::int64_t experts, std::int64_t ranks, std::int64_t rank) {
  const std::int64_t size = experts / ranks, larger = experts % ranks;
  return {static_cast<std::size_t>(rank * size + std::min(rank, larger)),
          static_cast<std::size_t>(size + (rank < larger ? 1 : 0))};
}

/// Throws UserError unless 1 <= ranks <= experts.
void check_ranks(std::int64_t experts, std::int64_t ranks);

}  // namespace moesaic
