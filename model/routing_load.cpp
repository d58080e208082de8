#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include "model/busiest_rank.hpp"
#include "model/rank_blocks.hpp"
#include "model/routing.hpp"

namespace moesaic {
namespace {

// The table's points divide each octave of tokens into four equal parts: 1, 1.25, 1.5, 1.75, 2, 2.5, ... So the two top
// bits of a double's mantissa and its exponent are the index of the point below it.
constexpr int kOctaves = 22;
constexpr int kPointsPerOctave = 4;
constexpr int kIndexShift = 52 - std::bit_width(unsigned{kPointsPerOctave} - 1);

std::size_t index_below(double tokens) {
  return static_cast<std::size_t>((std::bit_cast<std::uint64_t>(tokens) - std::bit_cast<std::uint64_t>(1.0)) >>
                                  kIndexShift);
}

double tokens_at(std::size_t index) {
  return std::bit_cast<double>((std::uint64_t{index} << kIndexShift) + std::bit_cast<std::uint64_t>(1.0));
}

}  // namespace

RankLoad busiest_rank_load(const Routing& routing, std::int64_t ranks, double tokens) {
  return BusiestRank(routing, ranks).load(tokens);
}

RankLoadTable::RankLoadTable(const Routing& routing, std::int64_t ranks)
    : ranks_(ranks),
      experts_per_rank_(static_cast<double>(routing.experts()) / static_cast<double>(ranks)),
      log_unused_(std::log1p(-static_cast<double>(routing.top_k()) / static_cast<double>(routing.experts()))),
      uniform_(routing.is_uniform() && !routing.is_even()),
      even_(routing.is_even()),
      top_k_(static_cast<double>(routing.top_k())),
      experts_(static_cast<double>(routing.experts())) {
  check_ranks(routing.experts(), ranks);
  largest_block_ = static_cast<double>(expert_block(routing.experts(), ranks, 0).count);
  if (even_) {
    return;
  }
  const BusiestRank busiest(routing, ranks);
  const double share = 1 / static_cast<double>(ranks);
  busiest_.resize(kOctaves * kPointsPerOctave + 1);
  balanced_.resize(busiest_.size());
  RankLoad before;
  for (std::size_t i = 0; i < busiest_.size(); ++i) {
    const double tokens = tokens_at(i);
    const RankLoad exact = busiest.load(tokens);
    RankLoad& even = balanced_[i];
    even.rows = tokens * static_cast<double>(routing.top_k()) * share;
    even.distinct = even.widest = routing.distinct(tokens) * share;
    RankLoad& point = busiest_[i];
    point.rows = std::max({exact.rows, before.rows, even.rows});
    point.distinct = std::min({std::max({exact.distinct, before.distinct, even.distinct}), point.rows, largest_block_});
    point.widest = std::min({std::max({exact.widest, before.widest, point.distinct}), point.rows, largest_block_});
    before = point;
  }
}

RankLoad RankLoadTable::busiest(double tokens) const {
  if (even_) {
    return tokens > 0 ? even_load(tokens, top_k_, experts_, largest_block_) : RankLoad{};
  }
  const RankLoad even = balanced(tokens);
  if (ranks_ == 1) {
    return even;
  }
  const RankLoad load = look_up(busiest_, tokens);
  const double distinct = std::max(load.distinct, even.distinct);
  return {std::max(load.rows, even.rows), distinct, std::max(load.widest, distinct)};
}

RankLoad RankLoadTable::balanced(double tokens) const {
  if (even_) {
    const double pairs = std::max(0.0, tokens * top_k_), ranks = static_cast<double>(ranks_);
    const double distinct = std::min(pairs, experts_) / ranks;
    return {pairs / ranks, distinct, distinct};
  }
  RankLoad load = look_up(balanced_, tokens);
  if (uniform_ && tokens > 1) {
    load.distinct = load.widest = -experts_per_rank_ * std::expm1(tokens * log_unused_);
  }
  return load;
}

// Linear between points: whatever order holds at the points (in tokens, between the two tables, against rows) holds
// everywhere.
RankLoad RankLoadTable::look_up(const std::vector<RankLoad>& table, double tokens) const {
  if (!(tokens > 0)) {
    return {};
  }
  const auto between = [](const RankLoad& low, const RankLoad& high, double part) {
    return RankLoad{low.rows + part * (high.rows - low.rows), low.distinct + part * (high.distinct - low.distinct),
                    low.widest + part * (high.widest - low.widest)};
  };
  if (tokens < 1) {
    return between({}, table.front(), tokens);
  }
  const std::size_t i = index_below(tokens);
  if (i + 1 >= table.size()) {
    return {table.back().rows * (tokens / tokens_at(table.size() - 1)), table.back().distinct, table.back().widest};
  }
  const double first = tokens_at(i);
  return between(table[i], table[i + 1], (tokens - first) / (tokens_at(i + 1) - first));
}

}  // namespace moesaic
