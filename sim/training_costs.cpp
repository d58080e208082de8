#include "sim/training_costs.hpp"

#include <algorithm>
#include <functional>

#include "model/placement.hpp"
#include "model/step.hpp"

namespace moesaic {
namespace {

PeakDemand demand_of(const Task& task, const MachineView& view) {
  PeakDemand demand;
  for (const Demand& each : task.demands) {
    const double seconds = each.amount / view.resources[each.resource].capacity;
    if (view.resources[each.resource].kind == ResourceKind::arithmetic) {
      demand.arithmetic += seconds;
    } else if (view.resources[each.resource].kind == ResourceKind::memory) {
      demand.memory += seconds;
    } else {
      (view.network && each.resource == *view.network ? demand.network : demand.scale_up) += seconds;
    }
  }
  return demand;
}

bool is_product(const Operator& op) {
  return std::holds_alternative<Gemm>(op.shape) || std::holds_alternative<GroupedGemm>(op.shape) ||
         std::holds_alternative<SoftmaxScores>(op.shape) || std::holds_alternative<StateUpdate>(op.shape);
}

/// Operators as tasks of one layer of a step.
void place(const std::vector<TrainingOperator>& operators, const MachineView& view, StepGraph& graph) {
  static const PlacementPointer resident = resident_placement();
  graph.clear();
  graph.tasks.reserve(operators.size());
  LayerWriter writer(graph, view);
  writer.begin_layer(1);
  for (const TrainingOperator& each : operators) {
    resident->place(writer, each.op, work_on(each.op, view));
  }
}

struct Sums {
  const MachineView& view;
  const CostModel& cost;
  double share = communication_share(view);
  StepGraph graph{};
  std::vector<Seconds> own{};

  LayerCosts costs(const TrainingLayer& layer) {
    place(layer.operators, view, graph);
    LayerCosts result;
    own.assign(layer.operators.size(), Seconds{});
    for (std::size_t i = 0; i < layer.operators.size(); ++i) {
      own[i] = cost.cost(graph.tasks[i], view).median();
    }
    for (std::size_t i = 0; i < layer.operators.size(); ++i) {
      const TrainingOperator& each = layer.operators[i];
      PassTimes& pass = result.passes[static_cast<std::size_t>(each.pass)];
      const Seconds time =
          each.beside >= 0 ? exposed_beside(own[i], own[static_cast<std::size_t>(each.beside)], share) : own[i];
      (each.serves == Parallelism::tensor    ? pass.tensor
       : each.serves == Parallelism::context ? pass.context
       : each.serves == Parallelism::expert  ? pass.expert
                                             : pass.compute) += time;
      if (is_product(each.op)) {
        result.flops += graph.tasks[i].work.flops;
        result.recomputed += each.pass == Pass::recompute ? graph.tasks[i].work.flops : Flops{};
      }
    }
    result.kept = layer.kept;
    result.working = layer.working;
    result.dense_parameters = layer.dense_parameters;
    result.expert_parameters = layer.expert_parameters;
    return result;
  }

  void bound(const TrainingLayer& even, LayerCosts& costs) {
    place(even.operators, view, graph);
    for (std::size_t i = 0; i < even.operators.size(); ++i) {
      costs.demand.add(demand_of(graph.tasks[i], view), 1);
      if (!graph.tasks[i].communication && even.operators[i].pass != Pass::backward_weights) {
        costs.path += peak_seconds(graph.tasks[i], view);
      }
    }
  }

  LayerCosts both(const TrainingLayer& layer, const TrainingLayer& even) {
    LayerCosts result = costs(layer);
    bound(even, result);
    return result;
  }
};

Operator collective_operator(CollectiveKind kind, RankGroup group, Bytes bytes) {
  return {OperatorKind::collective, "",
          Collective{.kind = kind, .bytes = bytes, .ranks = group.ranks, .stride = group.stride}};
}

StepGraph single(const Operator& op, const MachineView& view) {
  StepGraph graph;
  place({{op}}, view, graph);
  return graph;
}

}  // namespace

PassTimes& PassTimes::add(const PassTimes& other, double times) {
  compute += other.compute * times;
  tensor += other.tensor * times;
  context += other.context * times;
  expert += other.expert * times;
  return *this;
}

PeakDemand& PeakDemand::add(const PeakDemand& other, double times) {
  arithmetic += other.arithmetic * times;
  memory += other.memory * times;
  scale_up += other.scale_up * times;
  network += other.network * times;
  return *this;
}

double PeakDemand::longest() const { return std::max({arithmetic, memory, scale_up, network}); }

LayerCosts& LayerCosts::add(const LayerCosts& other, double times) {
  for (std::size_t i = 0; i < kPassCount; ++i) {
    passes[i].add(other.passes[i], times);
  }
  demand.add(other.demand, times);
  path += other.path * times;
  flops += other.flops * times;
  recomputed += other.recomputed * times;
  kept += other.kept * times;
  working = times > 0 ? std::max(working, other.working) : working;
  dense_parameters += other.dense_parameters * times;
  expert_parameters += other.expert_parameters * times;
  return *this;
}

CostKey cost_key(const Mapping& mapping, const Training& training, const Machine& machine, bool has_experts) {
  const int neighbours = 2 * mapping.stage_devices() <= machine.devices ? 1 : 2;
  return {.tensor = mapping.tensor,
          .context = mapping.context,
          .expert = mapping.expert,
          .expert_slices = has_experts ? mapping.expert_tensor() : 1,
          .transfer_nodes = mapping.pipeline > 1 ? neighbours : 0,
          .sequence = mapping.sequence,
          .ring = mapping.context_ring,
          .clustered = mapping.devices() > machine.devices,
          .unfused = training.unfused_attention,
          .micro_batch = training.micro_batch,
          .tokens = training.sequence,
          .recompute = training.recompute,
          .capacity_factor = training.capacity_factor};
}

std::size_t CostKeyHash::operator()(const CostKey& key) const {
  std::size_t hash = 0;
  const auto mix = [&](std::size_t value) { hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL + (hash >> 29); };
  for (const int value :
       {key.tensor, key.context, key.expert, key.expert_slices, key.transfer_nodes,
        key.ring * 8 + key.sequence * 4 + key.clustered * 2 + key.unfused, static_cast<int>(key.recompute)}) {
    mix(static_cast<std::size_t>(value));
  }
  mix(static_cast<std::size_t>(key.micro_batch));
  mix(static_cast<std::size_t>(key.tokens));
  mix(std::hash<double>{}(key.capacity_factor));
  return hash;
}

NetworkCosts network_costs(const Architecture& architecture, const Precision& precision, const MachineView& view,
                           const CostModel& cost, const std::vector<const RankLoadTable*>& routing,
                           const Mapping& mapping, const Training& training) {
  LayerContext context{.hidden = architecture.hidden,
                       .vocabulary = architecture.vocabulary,
                       .precision = &precision,
                       .mapping = mapping,
                       .nodes = nodes_of(view, mapping.expert * mapping.expert_tensor()),
                       .capacity_factor = training.capacity_factor,
                       .overlap = {},
                       .training = true};
  // One rank holds its part of the tokens, all of them: pairs of token and expert travel as Megatron-LM sends them.
  context.mapping.sequence = mapping.sequence || mapping.tensor == 1;
  const RankBatch batch = training_batch(training, mapping);
  Sums sums{view, cost};
  NetworkCosts result;
  for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
    context.routing = routing[kind];
    context.balanced_routing = false;
    const TrainingLayer layer = training_layer(architecture.kinds[kind], context, batch, training);
    context.balanced_routing = true;
    const bool skewed = context.routing != nullptr && mapping.expert > 1 && training.capacity_factor == 0;
    result.kinds.push_back(
        sums.both(layer, skewed ? training_layer(architecture.kinds[kind], context, batch, training) : layer));
  }
  const TrainingLayer input = training_input(context, batch, architecture.learned_positions);
  result.input = sums.both(input, input);
  const TrainingLayer output = training_output(context, batch);
  result.output = sums.both(output, output);
  if (mapping.pipeline > 1) {
    const double elements =
        batch.tokens / (mapping.sequence ? mapping.tensor : 1) * static_cast<double>(context.hidden);
    result.transfer = collective_seconds(CollectiveKind::send_receive, {2, mapping.stage_devices()},
                                         precision.activations.bytes(elements), view, cost);
  }
  return result;
}

double communication_share(const MachineView& view) {
  constexpr double kUnits = 20;
  return view.units[0].multiprocessors > kUnits ? kUnits / view.units[0].multiprocessors : 0;
}

Seconds exposed_beside(Seconds time, Seconds hiding, double share) { return std::max(time * share, time - hiding); }

Seconds operator_seconds(const Operator& op, const MachineView& view, const CostModel& cost) {
  return cost.cost(single(op, view).tasks.front(), view).median();
}

Seconds collective_seconds(CollectiveKind kind, RankGroup group, Bytes bytes, const MachineView& view,
                           const CostModel& cost) {
  return group.ranks > 1 && bytes.value > 0 ? operator_seconds(collective_operator(kind, group, bytes), view, cost)
                                            : Seconds{};
}

PeakDemand collective_demand(CollectiveKind kind, RankGroup group, Bytes bytes, const MachineView& view) {
  return group.ranks > 1 ? demand_of(single(collective_operator(kind, group, bytes), view).tasks.front(), view)
                         : PeakDemand{};
}

}  // namespace moesaic
