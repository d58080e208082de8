// The load of the busiest rank by drawing tokens: the judge of the closed form.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/error.hpp"
#include "model/random_words.hpp"
#include "model/rank_blocks.hpp"
#include "model/routing.hpp"

namespace moesaic {
namespace {

// Floyd's algorithm (Bentley and Floyd 1987): k of n, every subset equally likely.
void draw_uniform(Draws& draws, std::size_t experts, std::span<std::size_t> chosen) {
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const std::size_t last = experts - chosen.size() + i;
    const std::size_t expert = draws.below(last + 1);
    const auto end = chosen.begin() + static_cast<std::ptrdiff_t>(i);
    chosen[i] = std::find(chosen.begin(), end, expert) == end ? expert : last;
  }
}

// The k that ring first when expert e rings at rate popularity[e].
void draw_by_popularity(Draws& draws, std::span<const double> popularity,
                        std::vector<std::pair<double, std::size_t>>& times, std::span<std::size_t> chosen) {
  times.clear();
  for (std::size_t e = 0; e < popularity.size(); ++e) {
    times.emplace_back(draws.exponential() / popularity[e], e);
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(chosen.size() - 1);
  std::nth_element(times.begin(), middle, times.end());
  std::transform(times.begin(), middle + 1, chosen.begin(), [](const auto& time) { return time.second; });
}

RankLoad busiest_of(std::span<const std::int64_t> hits, std::int64_t ranks) {
  std::int64_t most = -1, used = 0, ties = 0, widest = 0;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const ExpertBlock block = expert_block(static_cast<std::int64_t>(hits.size()), ranks, rank);
    const auto mine = hits.subspan(block.first, block.count);
    std::int64_t rows = 0, distinct = 0;
    for (const std::int64_t hit : mine) {
      rows += hit;
      distinct += hit > 0 ? 1 : 0;
    }
    widest = std::max(widest, distinct);
    if (rows > most) {
      most = rows;
      used = ties = 0;
    }
    used += rows == most ? distinct : 0;
    ties += rows == most ? 1 : 0;
  }
  return {static_cast<double>(most), static_cast<double>(used) / static_cast<double>(ties),
          static_cast<double>(widest)};
}

}  // namespace

RankLoad simulate_busiest_rank_load(const Routing& routing, std::int64_t ranks, std::int64_t tokens,
                                    std::int64_t trials, std::uint64_t seed) {
  check_ranks(routing.experts(), ranks);
  MOESAIC_ASSERT(tokens >= 1 && tokens < (std::int64_t{1} << 32) && trials >= 1 && trials < (std::int64_t{1} << 32));
  if (routing.is_even()) {  // nothing is drawn
    return busiest_rank_load(routing, ranks, static_cast<double>(tokens));
  }
  std::vector<std::size_t> chosen(static_cast<std::size_t>(routing.top_k()));
  std::vector<std::int64_t> hits(routing.inclusion().size());
  std::vector<std::pair<double, std::size_t>> times;
  RankLoad sum;
  for (std::int64_t trial = 0; trial < trials; ++trial) {
    std::fill(hits.begin(), hits.end(), 0);
    for (std::int64_t token = 0; token < tokens; ++token) {
      Draws draws(seed, static_cast<std::uint32_t>(trial), static_cast<std::uint32_t>(token));
      if (routing.is_uniform()) {
        draw_uniform(draws, hits.size(), chosen);
      } else {
        draw_by_popularity(draws, routing.popularity(), times, chosen);
      }
      for (const std::size_t expert : chosen) {
        ++hits[expert];
      }
    }
    const RankLoad load = busiest_of(hits, ranks);
    sum.rows += load.rows;
    sum.distinct += load.distinct;
    sum.widest += load.widest;
  }
  const auto batches = static_cast<double>(trials);
  return {sum.rows / batches, sum.distinct / batches, sum.widest / batches};
}

}  // namespace moesaic
