// What one token asks of the ranks: closed forms, drawn tokens, recorded tokens.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "model/expert_draw.hpp"
#include "model/expert_traffic.hpp"
#include "model/miss_chance.hpp"
#include "model/random_words.hpp"

namespace moesaic {
namespace {

using Ranks = std::vector<std::int32_t>;

constexpr std::size_t kSourcesOfToken = 8;  // source nodes that look at one drawn token, in turn

/// The ranks that hold each expert (twice if twice), as seen from a node: its own ones where it prefers them.
std::vector<Ranks> holders(const ExpertPlacement& placement, ReplicaRule rule, std::int64_t node) {
  std::vector<Ranks> all(static_cast<std::size_t>(placement.experts));
  for (std::int64_t rank = 0; rank < placement.grid.ranks; ++rank) {
    for (const std::int32_t expert : placement.rank_slots(rank)) {
      all[static_cast<std::size_t>(expert)].push_back(static_cast<std::int32_t>(rank));
    }
  }
  if (rule == ReplicaRule::own_node) {
    for (Ranks& ranks : all) {
      const auto own = [&](std::int32_t rank) { return placement.grid.node(rank) == node; };
      if (std::any_of(ranks.begin(), ranks.end(), own)) {
        std::erase_if(ranks, std::not_fn(own));
      }
    }
  }
  return all;
}

bool has_replicas(const ExpertPlacement& placement) {
  return static_cast<std::int64_t>(placement.slots.size()) > placement.experts;
}

/// Source nodes that see different holders.
std::int64_t source_nodes(const ExpertPlacement& placement, ReplicaRule rule) {
  return rule == ReplicaRule::own_node && has_replicas(placement) ? placement.grid.nodes() : 1;
}

TokenHits no_hits(const RankGrid& grid) {
  const auto ranks = static_cast<std::size_t>(grid.ranks);
  return {std::vector<double>(ranks, 0.0), std::vector<double>(ranks, 0.0),
          std::vector<double>(static_cast<std::size_t>(grid.nodes()), 0.0)};
}

void add_pairs(TokenHits& hits, const std::vector<Ranks>& holders, std::span<const double> inclusion) {
  for (std::size_t e = 0; e < holders.size(); ++e) {
    for (const std::int32_t rank : holders[e]) {
      hits.pairs[static_cast<std::size_t>(rank)] += inclusion[e] / static_cast<double>(holders[e].size());
    }
  }
}

TokenHits exact_hits(const std::vector<Ranks>& holders, const RankGrid& grid, std::span<const double> inclusion,
                     MissChance& miss) {
  TokenHits hits = no_hits(grid);
  add_pairs(hits, holders, inclusion);
  std::vector<ExpertShares> of_rank(hits.rank.size()), of_node(hits.node.size());
  const auto add = [](ExpertShares& shares, std::size_t expert, double share) {
    if (shares.empty() || shares.back().first != static_cast<std::int32_t>(expert)) {
      shares.emplace_back(static_cast<std::int32_t>(expert), 0.0);
    }
    shares.back().second += share;
  };
  for (std::size_t e = 0; e < holders.size(); ++e) {
    for (const std::int32_t rank : holders[e]) {
      const double share = 1 / static_cast<double>(holders[e].size());
      add(of_rank[static_cast<std::size_t>(rank)], e, share);
      add(of_node[static_cast<std::size_t>(grid.node(rank))], e, share);
    }
  }
  const auto hit = [&miss](const ExpertShares& shares) { return shares.empty() ? 0.0 : 1 - miss(shares); };
  std::transform(of_rank.begin(), of_rank.end(), hits.rank.begin(), hit);
  std::transform(of_node.begin(), of_node.end(), hits.node.begin(), hit);
  return hits;
}

/// Counts the hits of single tokens.
class Counter {
 public:
  explicit Counter(const RankGrid& grid)
      : grid_(grid), counts_(no_hits(grid)), rank_(counts_.rank.size(), 0), node_(counts_.node.size(), 0) {}

  void start() { ++token_; }
  void add(std::int32_t rank) {
    const auto r = static_cast<std::size_t>(rank), n = static_cast<std::size_t>(grid_.node(rank));
    counts_.pairs[r] += 1;
    counts_.rank[r] += std::exchange(rank_[r], token_) == token_ ? 0 : 1;
    counts_.node[n] += std::exchange(node_[n], token_) == token_ ? 0 : 1;
  }

  TokenHits mean() const {
    TokenHits hits = counts_;
    const auto scale = [this](double& value) { value /= static_cast<double>(token_); };
    std::for_each(hits.pairs.begin(), hits.pairs.end(), scale);
    std::for_each(hits.rank.begin(), hits.rank.end(), scale);
    std::for_each(hits.node.begin(), hits.node.end(), scale);
    return hits;
  }

  /// Known pairs, times drawn hits for each pair: exact where no rank is hit twice. Nodes as drawn, but never hit less
  /// than one of their ranks nor more than all together.
  TokenHits mean(const TokenHits& known) const {
    TokenHits hits = known;
    std::vector<double> most(hits.node.size(), 0.0), all(hits.node.size(), 0.0);
    for (std::size_t r = 0; r < hits.rank.size(); ++r) {
      const auto n = static_cast<std::size_t>(grid_.node(static_cast<std::int64_t>(r)));
      const double each = counts_.pairs[r] > 0 ? counts_.rank[r] / counts_.pairs[r] : 1;
      hits.rank[r] = std::min(known.pairs[r] * each, 1.0);
      most[n] = std::max(most[n], hits.rank[r]);
      all[n] += hits.rank[r];
    }
    for (std::size_t n = 0; n < hits.node.size(); ++n) {
      const double drawn = counts_.node[n] / static_cast<double>(token_);
      hits.node[n] = std::clamp(drawn, most[n], std::min(all[n], 1.0));
    }
    return hits;
  }

 private:
  RankGrid grid_;
  TokenHits counts_;
  std::vector<std::int64_t> rank_, node_;  // last token that hit it
  std::int64_t token_ = 0;
};

std::vector<TokenHits> drawn_hits(const Routing& routing, const ExpertPlacement& placement,
                                  const std::vector<std::vector<Ranks>>& holders, const HitOptions& options) {
  ExpertDraw draw(routing, options.limit);
  std::vector<Counter> counters(holders.size(), Counter(placement.grid));
  std::vector<std::int32_t> chosen(static_cast<std::size_t>(routing.top_k()));
  std::vector<std::uint32_t> words(chosen.size());  // which copy of each
  std::size_t source = 0;
  for (std::int64_t token = 0; token < options.samples; ++token) {
    Draws draws(options.seed, 0, static_cast<std::uint32_t>(token));
    draw.draw(draws, chosen);
    for (std::uint32_t& word : words) {
      word = has_replicas(placement) ? draws.word() : 0;
    }
    for (std::size_t i = 0; i < std::min(kSourcesOfToken, holders.size());
         ++i, source = (source + 1) % holders.size()) {
      counters[source].start();
      for (std::size_t j = 0; j < chosen.size(); ++j) {
        const Ranks& ranks = holders[source][static_cast<std::size_t>(chosen[j])];
        counters[source].add(ranks[(std::uint64_t{words[j]} * ranks.size()) >> 32]);
      }
    }
  }
  const std::vector<double> inclusion =
      options.limit.limits() ? draw.inclusion()
                             : std::vector<double>(routing.inclusion().begin(), routing.inclusion().end());
  std::vector<TokenHits> result;
  for (std::size_t i = 0; i < holders.size(); ++i) {
    TokenHits known = no_hits(placement.grid);
    add_pairs(known, holders[i], inclusion);
    result.push_back(counters[i].mean(known));
  }
  return result;
}

}  // namespace

const TokenHits& ExpertHits::from(std::int64_t rank) const {
  const auto count = static_cast<std::int64_t>(sources.size());
  return sources[static_cast<std::size_t>(rank * count / grid.ranks)];
}

ExpertHits expert_hits(const Routing& routing, const ExpertPlacement& placement, const HitOptions& options) {
  if (routing.experts() != placement.experts) {
    throw UserError(
        fmt::format("expert traffic: routing is of {} experts, placement of {}", routing.experts(), placement.experts));
  }
  check_grid(placement.grid);
  check_group_limit(options.limit, routing.experts(), routing.top_k());
  MOESAIC_ASSERT(options.samples >= 1 && options.samples < (std::int64_t{1} << 32));
  std::vector<std::vector<Ranks>> seen;
  for (std::int64_t node = 0; node < source_nodes(placement, options.replicas); ++node) {
    seen.push_back(holders(placement, options.replicas, node));
  }
  ExpertHits hits{placement.grid, routing.top_k(), {}};
  if (routing.is_uniform() && MissChance::exact(routing.top_k(), options.limit)) {
    MissChance miss(routing.experts(), routing.top_k(), options.limit);
    for (const std::vector<Ranks>& holders_of : seen) {
      hits.sources.push_back(exact_hits(holders_of, placement.grid, routing.inclusion(), miss));
    }
  } else {
    hits.sources = drawn_hits(routing, placement, seen, options);
  }
  return hits;
}

std::vector<double> expert_uses(const Routing& routing, const HitOptions& options) {
  check_group_limit(options.limit, routing.experts(), routing.top_k());
  if (routing.is_uniform() || !options.limit.limits()) {
    return {routing.inclusion().begin(), routing.inclusion().end()};
  }
  ExpertDraw draw(routing, options.limit);
  std::vector<std::int32_t> chosen(static_cast<std::size_t>(routing.top_k()));
  for (std::int64_t token = 0; token < options.samples; ++token) {
    Draws draws(options.seed, 0, static_cast<std::uint32_t>(token));
    draw.draw(draws, chosen);
  }
  return draw.inclusion();
}

ExpertHits traced_hits(const RoutingTrace& trace, std::size_t layer, const ExpertPlacement& placement,
                       ReplicaRule replicas) {
  const RankGrid& grid = placement.grid;
  check_grid(grid);
  if (trace.experts != placement.experts) {
    throw UserError(
        fmt::format("expert traffic: trace is of {} experts, placement of {}", trace.experts, placement.experts));
  }
  if (trace.tokens() < grid.ranks) {
    throw UserError(fmt::format("routing trace: {} tokens are fewer than the {} ranks that they are dealt to",
                                trace.tokens(), grid.ranks));
  }
  std::vector<std::vector<Ranks>> seen;
  for (std::int64_t node = 0; node < source_nodes(placement, replicas); ++node) {
    seen.push_back(holders(placement, replicas, node));
  }
  std::vector<std::size_t> turn(static_cast<std::size_t>(placement.experts), 0);
  ExpertHits hits{grid, trace.top_k, {}};
  for (std::int64_t rank = 0; rank < grid.ranks; ++rank) {
    const std::vector<Ranks>& holders_of = seen[seen.size() == 1 ? 0 : static_cast<std::size_t>(grid.node(rank))];
    Counter counter(grid);
    for (std::int64_t token = rank * trace.tokens() / grid.ranks; token < (rank + 1) * trace.tokens() / grid.ranks;
         ++token) {
      counter.start();
      for (const std::int32_t expert : trace.chosen(layer, token)) {
        const Ranks& ranks = holders_of[static_cast<std::size_t>(expert)];
        counter.add(ranks[turn[static_cast<std::size_t>(expert)]++ % ranks.size()]);
      }
    }
    hits.sources.push_back(counter.mean());
  }
  return hits;
}

}  // namespace moesaic
