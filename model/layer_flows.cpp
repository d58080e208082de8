#include "model/layer_flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"
#include "model/expert_draw.hpp"
#include "model/random_words.hpp"

namespace moesaic {
namespace {

constexpr double kMostEntries = 1 << 28;
constexpr std::int64_t kMostFlowExperts = 2048;                               // of which flows are kept in full
constexpr std::uint32_t kOrderWords = 0, kPartnerWords = 1, kTokenWords = 2;  // what random words are for

/// 0 .. count-1 in a random order (Fisher and Yates).
std::vector<std::size_t> random_order(std::size_t count, Draws draws) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) {
    std::swap(order[i - 1], order[draws.below(i)]);
  }
  return order;
}

/// Share of each expert that each rank holds: [expert] -> (rank, share).
std::vector<std::vector<std::pair<std::size_t, double>>> rank_shares(const ExpertPlacement& placement) {
  std::vector<std::vector<std::pair<std::size_t, double>>> shares(static_cast<std::size_t>(placement.experts));
  for (std::size_t i = 0; i < placement.slots.size(); ++i) {
    shares[static_cast<std::size_t>(placement.slots[i])].emplace_back(
        i / static_cast<std::size_t>(placement.slots_per_rank()), 0.0);
  }
  for (auto& of_expert : shares) {
    for (auto& [rank, share] : of_expert) {
      share = 1 / static_cast<double>(of_expert.size());
    }
  }
  return shares;
}

}  // namespace

LayerFlows layer_flows(const RoutingTrace& trace) {
  if (trace.layers.size() > 1 && trace.experts > kMostFlowExperts) {
    throw UserError(
        fmt::format("routing trace: {} experts in several layers; allowed: {}", trace.experts, kMostFlowExperts));
  }
  const auto experts = static_cast<std::size_t>(trace.experts);
  const double each = 1 / static_cast<double>(trace.tokens());
  LayerFlows flows{trace.experts, {}, {}};
  for (std::size_t layer = 0; layer < trace.layers.size(); ++layer) {
    std::vector<double>& loads = flows.loads.emplace_back(experts, 0.0);
    for (const std::int32_t expert : trace.layers[layer]) {
      loads[static_cast<std::size_t>(expert)] += each;
    }
    if (layer + 1 == trace.layers.size()) {
      break;
    }
    std::vector<double>& between = flows.between.emplace_back(experts * experts, 0.0);
    for (std::int64_t token = 0; token < trace.tokens(); ++token) {
      for (const std::int32_t from : trace.chosen(layer, token)) {
        for (const std::int32_t to : trace.chosen(layer + 1, token)) {
          between[static_cast<std::size_t>(from) * experts + static_cast<std::size_t>(to)] +=
              each / static_cast<double>(trace.top_k);
        }
      }
    }
  }
  return flows;
}

RoutingTrace synthetic_trace(const SyntheticTrace& options) {
  if (!(options.affinity >= 0 && options.affinity <= 1)) {
    throw UserError(fmt::format("synthetic trace: affinity is {}; allowed: 0 to 1", options.affinity));
  }
  const double entries =
      static_cast<double>(options.layers) * static_cast<double>(options.tokens) * static_cast<double>(options.top_k);
  if (options.layers < 1 || options.tokens < 1 || entries > kMostEntries) {
    throw UserError(
        fmt::format("synthetic trace: {} layers of {} tokens, {} experts each; allowed: at least one of each, "
                    "and {} chosen experts together",
                    options.layers, options.tokens, options.top_k, kMostEntries));
  }
  const std::vector<double> ranked = [&] {
    const Routing routing = Routing::zipf(options.experts, options.top_k, options.exponent, false);
    return std::vector<double>(routing.popularity().begin(), routing.popularity().end());
  }();
  RoutingTrace trace{options.experts, options.top_k, {}, "synthetic"};
  const auto k = static_cast<std::size_t>(options.top_k);
  std::vector<std::int32_t> drawn(k), mine(k);
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    const auto word = static_cast<std::uint32_t>(layer);
    const std::vector<std::size_t> order = random_order(ranked.size(), Draws(options.seed, kOrderWords, word));
    const std::vector<std::size_t> partner = random_order(ranked.size(), Draws(options.seed, kPartnerWords, word));
    std::vector<double> popularity(ranked.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      popularity[order[i]] = ranked[i];
    }
    ExpertDraw draw(Routing::histogram(options.top_k, std::move(popularity)), {});
    std::vector<std::int32_t> chosen;
    for (std::int64_t token = 0; token < options.tokens; ++token) {
      Draws draws(options.seed, kTokenWords + word, static_cast<std::uint32_t>(token));
      draw.draw(draws, drawn);
      std::size_t count = 0;
      for (std::size_t i = 0; i < k && layer > 0; ++i) {
        if (draws.word() * 0x1p-32 < options.affinity) {
          const std::int32_t from = trace.chosen(static_cast<std::size_t>(layer) - 1, token)[i];
          mine[count++] = static_cast<std::int32_t>(partner[static_cast<std::size_t>(from)]);
        }
      }
      for (std::size_t i = 0; count < k; ++i) {
        const auto end = mine.begin() + static_cast<std::ptrdiff_t>(count);
        if (std::find(mine.begin(), end, drawn[i]) == end) {
          mine[count++] = drawn[i];
        }
      }
      chosen.insert(chosen.end(), mine.begin(), mine.end());
    }
    trace.layers.push_back(std::move(chosen));
  }
  return trace;
}

Routing shuffled(const Routing& routing, std::uint64_t seed) {
  const auto popularity = routing.popularity();
  const std::vector<std::size_t> order = random_order(popularity.size(), Draws(seed, kOrderWords, 0));
  std::vector<double> result(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    result[order[i]] = popularity[i];
  }
  return Routing::histogram(routing.top_k(), std::move(result));
}

CrossLayerCost cross_layer_cost(const LayerFlows& flows, std::span<const ExpertPlacement> placements,
                                const LinkRates& rates, Bytes moved) {
  MOESAIC_ASSERT(placements.size() == flows.layers());
  const RankGrid& grid = placements.front().grid;
  const auto ranks = static_cast<std::size_t>(grid.ranks), experts = static_cast<std::size_t>(flows.experts);
  CrossLayerCost cost;
  double total = 0;
  for (std::size_t layer = 0; layer + 1 < flows.layers(); ++layer) {
    const auto from = rank_shares(placements[layer]), to = rank_shares(placements[layer + 1]);
    std::vector<double> pairs(ranks * ranks, 0.0);
    for (std::size_t a = 0; a < experts; ++a) {
      for (std::size_t b = 0; b < experts; ++b) {
        const double flow = flows.between[layer][a * experts + b];
        for (const auto& [sender, sent] : from[a]) {
          for (const auto& [receiver, received] : to[b]) {
            pairs[sender * ranks + receiver] += flow * sent * received;
          }
        }
      }
    }
    Seconds worst{};
    for (std::size_t i = 0; i < ranks; ++i) {
      for (std::size_t j = 0; j < ranks; ++j) {
        const bool near = grid.node(static_cast<std::int64_t>(i)) == grid.node(static_cast<std::int64_t>(j));
        const double flow = pairs[i * ranks + j];
        total += flow;
        cost.local += i == j ? flow : 0;
        cost.node += near && i != j ? flow : 0;
        if (i != j) {
          worst = std::max(worst, moved * flow / (near ? rates.scale_up : rates.network));
        }
      }
    }
    cost.worst += worst;
  }
  if (total > 0) {
    cost.local /= total;
    cost.node /= total;
  }
  return cost;
}

}  // namespace moesaic
