#include "model/expert_exchange.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kNames[] = {"auto", "normal", "low-latency", "all-to-all"};

}  // namespace

std::string_view name(ExchangeKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

ExchangeKind parse_exchange(std::string_view text) {
  const auto* found = std::find(std::begin(kNames), std::end(kNames), text);
  if (found == std::end(kNames)) {
    throw UserError("--exchange: unknown way '" + printable(text) + "'" +
                    suggest(text, std::vector<std::string>(std::begin(kNames), std::end(kNames))));
  }
  return static_cast<ExchangeKind>(found - std::begin(kNames));
}

double distinct_blocks(const MoeFeedForward& moe, double blocks) {
  const auto experts = static_cast<double>(moe.experts), top_k = static_cast<double>(moe.experts_per_token);
  double none = 1;
  const double per_block = experts / blocks;
  for (double i = 0; i < top_k; ++i) {
    none *= std::max(0.0, (experts - per_block - i) / (experts - i));
  }
  return blocks * (1 - none);
}

ExchangeRows exchange_rows(const MoeFeedForward& moe, int expert_ranks, int slices, int nodes, int node_ranks,
                           ExchangeKind kind) {
  const double g = node_ranks, m = nodes;
  if (kind == ExchangeKind::low_latency) {
    const double copies = static_cast<double>(moe.experts_per_token) * slices;
    return {copies * (g - 1) / (g * m), copies * (m - 1) / m};
  }
  const double copies = distinct_blocks(moe, expert_ranks) * slices;
  if (kind == ExchangeKind::all_to_all) {
    return {copies * (g - 1) / (g * m), copies * (m - 1) / m};
  }
  // Every copy is delivered inside the node it is for, by the rank that received the node's one copy.
  return {copies * (g - 1) / g, distinct_blocks(moe, m) * (m - 1) / m};
}

}  // namespace moesaic
