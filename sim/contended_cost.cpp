#include "sim/contended_cost.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "hw/machine_topology.hpp"
#include "sim/collective_flows.hpp"

namespace moesaic {
namespace {

constexpr double kMegabyte = 1e6;  // flows of one pattern take as long as they have bytes: any size will do

/// What a rank sends other nodes in an exchange of experts: to the same place of each (the node forwards), or to all
/// ranks.
FlowPhase exchange_flows(int nodes, int node_ranks, int groups, bool low_latency) {
  FlowPhase flows;
  const int ranks = nodes * node_ranks;
  for (int from = 0; from < ranks * groups; ++from) {
    const int first = from / ranks * ranks;
    for (int to = first; to < first + ranks; ++to) {
      if (from / node_ranks != to / node_ranks && (low_latency || from % node_ranks == to % node_ranks)) {
        flows.push_back({static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), kMegabyte});
      }
    }
  }
  return flows;
}

/// A group of ranks and what it runs while a network is served.
struct UsedGroup {
  RankGroup ranks;
  std::vector<CollectiveKind> kinds;
};

std::vector<UsedGroup> used_groups(const Mapping& mapping) {
  using enum CollectiveKind;
  return {{mapping.tensor_group(), {all_reduce, all_gather, reduce_scatter}},
          {mapping.context_group(), {all_gather, all_to_all, send_receive}},
          {mapping.pipeline_group(), {send_receive}},
          {mapping.expert_tensor_group(), {all_gather, reduce_scatter}},
          {mapping.expert_group(), {all_to_all}},
          {{mapping.expert * mapping.expert_tensor(), 1}, {all_to_all}},
          {{mapping.stage_devices(), 1}, {all_reduce}}};
}

class ContendedCost final : public CostModel {
 public:
  ContendedCost(CostModelPointer base, const StepPlan& plan, const RouteChoice& routes, FabricModel model)
      : base_(std::move(base)) {
    const Topology topology = build_topology(describe_topology(plan.machine()));
    const Fabric fabric{&topology, routes, model};
    const int devices = plan.mapping().devices();
    for (const UsedGroup& group : used_groups(plan.mapping())) {
      const auto [ranks, stride] = group.ranks;
      if (ranks < 2) {
        continue;
      }
      const CollectiveLinks links = collective_links(plan.view(), ranks, stride);
      if (links.nodes == 1 || ranks % links.nodes != 0) {
        continue;
      }
      for (const CollectiveKind kind : group.kinds) {
        const Collective collective{.kind = kind, .bytes = Bytes{kMegabyte * ranks}, .ranks = ranks, .stride = stride};
        for (const CollectiveAlgorithm& algorithm : collective_algorithms(collective, links)) {
          double& known = collectives_[{kind, ranks, stride, algorithm.name}];
          if (known == 0) {
            const Seconds shared = collective_time(collective, algorithm, links, devices / ranks, fabric).busy;
            known = factor(shared / algorithm.busy_on(links));
          }
        }
      }
    }
    const int ranks = plan.mapping().expert * plan.mapping().expert_tensor();
    const CollectiveLinks links = collective_links(plan.view(), ranks);
    if (plan.mapping().spreads_tokens() && links.nodes > 1 && ranks % links.nodes == 0) {
      for (const bool low_latency : {false, true}) {
        const int node_ranks = ranks / links.nodes;
        const FlowPhase flows = exchange_flows(links.nodes, node_ranks, devices / ranks, low_latency);
        const double sent = kMegabyte * (links.nodes - 1) * (low_latency ? node_ranks : 1);
        exchanges_[low_latency ? 1 : 0] =
            factor(phases_time({flows}, fabric).busy / (Bytes{sent} / links.network_bandwidth));
      }
    }
  }

  Estimate cost(const Task& task, const MachineView& view) const override {
    Estimate estimate = base_->cost(task, view);
    if (const auto* collective = std::get_if<Collective>(&task.op.shape)) {
      const CollectiveLinks links = collective_links(view, collective->ranks, collective->stride);
      if (links.nodes > 1) {
        const auto found = collectives_.find(
            {collective->kind, collective->ranks, collective->stride, fastest_algorithm(*collective, links).name});
        estimate.busy *= found == collectives_.end() ? 1.0 : found->second;
      }
    } else if (const auto* exchange = std::get_if<ExpertExchange>(&task.op.shape); exchange && exchange->nodes > 1) {
      const CollectiveLinks links = collective_links(view, exchange->ranks);
      const double inside = (task.work.wire / links.bandwidth).value;
      const double between = (task.work.network / links.network_bandwidth).value;
      estimate.busy *= std::max(inside, between * exchanges_[exchange->kind == ExchangeKind::normal ? 0 : 1]) /
                       std::max(inside, between);
    }
    return estimate;
  }

  double spread(const Task& task, const MachineView& view) const override { return base_->spread(task, view); }
  double multiprocessors(const Task& task) const override { return base_->multiprocessors(task); }
  SoftwareTerms software() const override { return base_->software(); }
  Attained attained(const MachineView& view) const override { return base_->attained(view); }
  double reserve_fraction() const override { return base_->reserve_fraction(); }
  std::string name() const override { return base_->name(); }

 private:
  /// Less than one comes of rounding, or of a topology with more bandwidth than the machine's figures.
  static double factor(double ratio) { return std::max(1.0, ratio); }

  struct Key {
    CollectiveKind kind;
    int ranks;
    int stride;
    std::string_view algorithm;
    auto operator<=>(const Key&) const = default;
  };
  CostModelPointer base_;
  std::map<Key, double> collectives_;
  std::array<double, 2> exchanges_{1, 1};
};

}  // namespace

CostModelPointer contended_cost_model(CostModelPointer base, const StepPlan& plan, const RouteChoice& routes,
                                      FabricModel model) {
  const bool alone = nodes_of(plan.view(), plan.mapping().devices()) == 1;
  if (model == FabricModel::closed_form || alone || !plan.machine().topology) {
    return base;
  }
  return std::make_shared<ContendedCost>(std::move(base), plan, routes, model);
}

}  // namespace moesaic
