// What plans of one network under one routing have in common: loads of ranks, worked out once.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "model/expert_exchange.hpp"
#include "model/feed_forward.hpp"
#include "model/routing.hpp"

namespace moesaic {

/// Any number of threads may ask at once.
class PlanTables {
 public:
  /// `routing`: as Routing::parse takes it.
  explicit PlanTables(std::string routing) : routing_(std::move(routing)) {}

  /// `redundant`: see Mapping. Both throw UserError as Routing::parse, RankLoadTable and exchange_loads() do.
  std::shared_ptr<const RankLoadTable> loads(const MoeFeedForward& moe, int ranks, int redundant = 0);
  std::shared_ptr<const ExchangeLoads> exchange(const MoeFeedForward& moe, const ExchangeRanks& ranks);

 private:
  struct Key {
    std::int64_t experts, top_k;
    std::int64_t groups, node_limit;  // of exchanges
    int ranks, slices, node_ranks, redundant;
    auto operator<=>(const Key&) const = default;
  };
  /// Under the lock.
  const Routing& routing_of(const MoeFeedForward& moe);

  std::string routing_;
  std::mutex mutex_;
  std::map<std::pair<std::int64_t, std::int64_t>, Routing> routings_;
  std::map<Key, std::shared_ptr<const RankLoadTable>> loads_;
  std::map<Key, std::shared_ptr<const ExchangeLoads>> exchanges_;
};

}  // namespace moesaic
