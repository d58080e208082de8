#include "model/rank_blocks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"

namespace moesaic {

ExpertBlock expert_block(std::int64_t experts, std::int64_t ranks, std::int64_t rank) {
  const std::int64_t size = experts / ranks, larger = experts % ranks;
  return {static_cast<std::size_t>(rank * size + std::min(rank, larger)),
          static_cast<std::size_t>(size + (rank < larger ? 1 : 0))};
}

void check_ranks(std::int64_t experts, std::int64_t ranks) {
  if (ranks < 1 || ranks > experts) {
    throw UserError(
        fmt::format("routing: {} expert-parallel ranks; allowed: 1 to the number of experts, {}", ranks, experts));
  }
}

}  // namespace moesaic
