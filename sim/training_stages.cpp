#include "sim/training_stages.hpp"

#include <algorithm>

namespace moesaic {
namespace {

constexpr double kWeightBytes = 2, kGradientBytes = 4, kStateBytes = 12;  // Megatron-LM: bf16; fp32; master, m and v
constexpr int kGatheredLayers = 2;  // of weights divided by ZeRO: the one at work and the next

double share(ZeroStage zero, ZeroStage divided_from, int ranks) { return zero >= divided_from ? 1.0 / ranks : 1.0; }

}  // namespace

std::vector<std::int64_t> layers_of_runs(std::int64_t layers, int runs) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(runs), layers / runs);
  const std::int64_t more = layers % runs;
  for (std::int64_t i = 0; i < more; ++i) {
    ++counts[static_cast<std::size_t>(more < runs - 1 ? i + 1 : i)];
  }
  return counts;
}

std::vector<LayerCosts> run_costs(const Architecture& architecture, const NetworkCosts& costs, const Mapping& mapping) {
  const int runs = mapping.pipeline * mapping.virtual_stages;
  const std::vector<std::int64_t> counts = layers_of_runs(architecture.layer_count(), runs);
  std::vector<LayerCosts> result(static_cast<std::size_t>(runs));
  std::vector<int> of_kind(costs.kinds.size());
  auto layer = architecture.layers.begin();
  for (std::size_t run = 0; run < result.size(); ++run) {
    of_kind.assign(of_kind.size(), 0);
    for (std::int64_t i = 0; i < counts[run]; ++i) {
      ++of_kind[static_cast<std::size_t>(*layer++)];
    }
    for (std::size_t kind = 0; kind < of_kind.size(); ++kind) {
      if (of_kind[kind] > 0) {
        result[run].add(costs.kinds[kind], of_kind[kind]);
      }
    }
  }
  result.front().add(costs.input, 1);
  LayerCosts output = costs.output;
  if (architecture.tied_embeddings && mapping.pipeline == 1) {
    output.dense_parameters = 0;
  }
  result.back().add(output, 1);
  return result;
}

DataTimes data_times(double dense_parameters, double expert_parameters, const Mapping& mapping, ZeroStage zero,
                     const MachineView& view, const CostModel& cost) {
  DataTimes times;
  const auto add = [&](double parameters, RankGroup group) {
    times.elements += parameters * share(zero, ZeroStage::optimizer, group.ranks);
    if (group.ranks == 1 || parameters <= 0) {
      return;
    }
    const auto communicate = [&](CollectiveKind kind, double bytes, Seconds& time) {
      time += collective_seconds(kind, group, Bytes{bytes * parameters}, view, cost);
      times.demand.add(collective_demand(kind, group, Bytes{bytes * parameters}, view), 1);
    };
    if (zero == ZeroStage::none) {
      communicate(CollectiveKind::all_reduce, kGradientBytes, times.reduce);
    } else {
      communicate(CollectiveKind::reduce_scatter, kGradientBytes, times.reduce);
      communicate(CollectiveKind::all_gather, kWeightBytes, times.gather);
    }
  };
  add(dense_parameters, mapping.replica_group());
  add(expert_parameters, mapping.expert_data_group());
  return times;
}

TrainingMemory stage_memory(const StageLoad& load, const Mapping& mapping, ZeroStage zero) {
  TrainingMemory memory;
  const double copies = mapping.expert_data(), replicas = mapping.replica_group().ranks;
  const auto held = [&](ZeroStage from) {
    return load.sum.dense_parameters * share(zero, from, static_cast<int>(replicas)) +
           load.sum.expert_parameters * share(zero, from, static_cast<int>(copies));
  };
  memory.weights = Bytes{kWeightBytes * held(ZeroStage::weights)};
  memory.gradients = Bytes{kGradientBytes * held(ZeroStage::gradients)};
  memory.optimizer = Bytes{kStateBytes * held(ZeroStage::optimizer)};
  memory.activations = load.sum.kept * (load.in_flight / load.runs) + load.output_kept + load.sum.working;
  if (zero == ZeroStage::weights) {
    memory.activations += Bytes{(kGatheredLayers * kWeightBytes + kGradientBytes) * load.largest_layer};
  }
  return memory;
}

}  // namespace moesaic
