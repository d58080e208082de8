// Which experts a rank holds: contiguous blocks, the first ranks one expert more if it does not divide.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moesaic {

struct ExpertBlock {
  std::size_t first = 0;
  std::size_t count = 0;
};

/// The block of `rank`, in [0, ranks); 1 <= ranks <= experts.
ExpertBlock expert_block(std::int64_t experts, std::int64_t ranks, std::int64_t rank);

/// Throws UserError unless 1 <= ranks <= experts.
void check_ranks(std::int64_t experts, std::int64_t ranks);

}  // namespace moesaic
