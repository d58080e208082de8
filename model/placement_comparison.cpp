#include "model/placement_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kScaledElements = 128, kScaleBytes = 4;

LayerFlows flows_of(const PlacementQuestion& question) {
  if (question.trace) {
    return layer_flows(*question.trace);
  }
  return {question.routing.experts(), {expert_uses(question.routing, question.hits)}, {}};
}

void add(Busiest& sum, const Busiest& more, double share) {
  sum.most += more.most * share;
  sum.mean += more.mean * share;
}

void add(TrafficSummary& sum, const TrafficSummary& more, double share) {
  sum.imbalance += more.imbalance * share;
  add(sum.network_sent, more.network_sent, share);
  add(sum.network_received, more.network_received, share);
  add(sum.scale_up_sent, more.scale_up_sent, share);
  add(sum.scale_up_received, more.scale_up_received, share);
  sum.distinct_ranks += more.distinct_ranks * share;
  sum.distinct_nodes += more.distinct_nodes * share;
  sum.local_activation += more.local_activation * share;
}

/// Sum over ranks of |rows - mean|, as a share of all rows.
double deviation(const std::vector<double>& rows) {
  const double all = std::accumulate(rows.begin(), rows.end(), 0.0), mean = all / static_cast<double>(rows.size());
  const double sum = std::transform_reduce(rows.begin(), rows.end(), 0.0, std::plus<>(),
                                           [mean](double load) { return std::abs(load - mean); });
  return all > 0 ? sum / all : 0;
}

class Comparer {
 public:
  explicit Comparer(const PlacementQuestion& question)
      : question_(question),
        flows_(flows_of(question)),
        tokens_(static_cast<std::size_t>(question.grid.ranks), question.tokens) {}

  std::size_t layers() const { return flows_.layers(); }
  const LayerFlows& flows() const { return flows_; }

  PlacementAnswer answer(std::string name, const std::vector<ExpertPlacement>& placements) const {
    PlacementAnswer result;
    result.name = std::move(name);
    result.slots_per_rank = placements.front().slots_per_rank();
    result.traffic.imbalance = 0;
    const double share = 1 / static_cast<double>(layers());
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      const ExpertHits hits = question_.trace
                                  ? traced_hits(*question_.trace, layer, placements[layer], question_.hits.replicas)
                                  : expert_hits(question_.routing, placements[layer], question_.hits);
      const ExpertTraffic traffic = expert_traffic(hits, tokens_, question_.copies);
      add(result.traffic, summarize(traffic), share);
      result.deviation.value += deviation(traffic.rows) * share;
    }
    if (layers() > 1) {
      result.moves = cross_layer_cost(flows_, placements, question_.optimal.rates, moved());
    }
    return result;
  }

  PlacementAnswer optimum() const {
    try {
      const OptimalPlacement best = optimal_placement(flows_, question_.grid, question_.optimal);
      PlacementAnswer result = answer("optimum", best.layers);
      const double uses = std::transform_reduce(
          flows_.loads.begin(), flows_.loads.end(), 0.0, std::plus<>(),
          [](const std::vector<double>& loads) { return std::accumulate(loads.begin(), loads.end(), 0.0); });
      result.deviation.bound = std::min(best.deviation.bound / uses, result.deviation.value);
      if (layers() > 1) {
        result.moves_bound = Seconds{best.worst.bound * moved().value};
      }
      result.in_time = best.in_time;
      return result;
    } catch (const UserError& error) {
      PlacementAnswer result;
      result.name = "optimum";
      result.missing = error.what();
      return result;
    }
  }

 private:
  /// What a layer would send if every use of an expert moved.
  Bytes moved() const {
    return dispatch_row(question_.hidden, question_.dispatch) *
           (question_.tokens * static_cast<double>(tokens_.size()));
  }

  const PlacementQuestion& question_;
  LayerFlows flows_;
  std::vector<double> tokens_;
};

}  // namespace

Bytes dispatch_row(std::int64_t hidden, StorageType type) {
  const auto elements = static_cast<double>(hidden);
  return type.dtype == DType::fp8 ? Bytes{elements + std::ceil(elements / kScaledElements) * kScaleBytes}
                                  : type.bytes(elements);
}

Bytes combine_row(std::int64_t hidden) { return StorageType{DType::bf16, 16}.bytes(static_cast<double>(hidden)); }

PlacementComparison compare_placements(const PlacementQuestion& question) {
  const RankGrid& grid = question.grid;
  const std::int64_t experts = question.trace ? question.trace->experts : question.routing.experts();
  slots_of_rank(experts, question.redundant, grid);
  const Comparer comparer(question);
  PlacementComparison result{
      dispatch_row(question.hidden, question.dispatch), combine_row(question.hidden), comparer.layers(), {}};
  const auto alike = [&](const ExpertPlacement& placement) { return std::vector(comparer.layers(), placement); };
  result.placements.push_back(
      comparer.answer("contiguous", alike(contiguous_placement(experts, question.redundant, grid))));
  result.placements.push_back(
      comparer.answer("round-robin", alike(round_robin_placement(experts, question.redundant, grid))));
  std::vector<ExpertPlacement> balanced;
  for (const std::vector<double>& loads : comparer.flows().loads) {
    balanced.push_back(balanced_placement(loads, question.redundant, grid, question.hits.limit.groups));
  }
  result.placements.push_back(comparer.answer("balanced", balanced));
  result.placements.push_back(comparer.optimum());
  return result;
}

}  // namespace moesaic
