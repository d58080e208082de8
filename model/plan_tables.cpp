#include "model/plan_tables.hpp"

#include "model/expert_placement.hpp"

namespace moesaic {

const Routing& PlanTables::routing_of(const MoeFeedForward& moe) {
  const std::pair key{moe.experts, moe.experts_per_token};
  const auto found = routings_.find(key);
  return found != routings_.end()
             ? found->second
             : routings_.emplace(key, Routing::parse(routing_, moe.experts, moe.experts_per_token)).first->second;
}

std::shared_ptr<const RankLoadTable> PlanTables::loads(const MoeFeedForward& moe, int ranks, int redundant) {
  const std::lock_guard lock(mutex_);
  auto& slot = loads_[{moe.experts, moe.experts_per_token, 0, 0, ranks, 0, 0, redundant}];
  if (!slot) {
    const Routing& routing = routing_of(moe);
    slot = std::make_shared<RankLoadTable>(
        redundant > 0 ? placed_routing(routing, placed_experts(moe, routing, redundant, {ranks, ranks})) : routing,
        ranks);
  }
  return slot;
}

std::shared_ptr<const ExchangeLoads> PlanTables::exchange(const MoeFeedForward& moe, const ExchangeRanks& ranks) {
  const std::lock_guard lock(mutex_);
  auto& slot = exchanges_[{moe.experts, moe.experts_per_token, moe.groups, moe.node_limit, ranks.expert_ranks,
                           ranks.slices, ranks.node_ranks, ranks.redundant}];
  if (!slot) {
    slot = std::make_shared<ExchangeLoads>(exchange_loads(moe, routing_of(moe), ranks));
  }
  return slot;
}

}  // namespace moesaic
