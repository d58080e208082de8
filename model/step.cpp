#include "model/step.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kTasksOfALayer = 24;  // about: a vector that starts with room need not move its tasks

LayerContext context_of(const StepPlan& plan, const RankLoadTable* routing, const ExchangeLoads* exchange_loads,
                        bool balanced) {
  return {.hidden = plan.architecture().hidden,
          .vocabulary = plan.architecture().vocabulary,
          .precision = &plan.precision(),
          .mapping = plan.mapping(),
          .routing = routing,
          .balanced_routing = balanced,
          .exchange_loads = exchange_loads,
          .nodes = nodes_of(plan.view(), plan.mapping().expert * plan.mapping().expert_tensor()),
          .exchange = plan.exchange()};
}

}  // namespace

StepPlan::StepPlan(Architecture architecture, Precision precision, Machine machine, Mapping mapping,
                   PlacementPointer placement, const std::string& routing, ExchangeKind exchange)
    : architecture_(std::move(architecture)),
      precision_(precision),
      machine_(std::move(machine)),
      mapping_(mapping),
      placement_(std::move(placement)),
      exchange_(exchange) {
  check_mapping(architecture_, mapping_, machine_);
  placement_->check(machine_);
  view_ = view_machine(machine_, mapping_.devices());
  for (const LayerKind& kind : architecture_.kinds) {
    routing_.push_back(nullptr);
    exchange_loads_.push_back(nullptr);
    if (const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward)) {
      const Routing of_layer = Routing::parse(routing, moe->experts, moe->experts_per_token);
      routing_.back() = std::make_shared<RankLoadTable>(of_layer, mapping_.expert);
      const ExchangeRanks ranks{mapping_.expert, mapping_.expert_tensor(), view_.node_devices};
      if (ranks.nodes() > 1 && mapping_.spreads_tokens()) {
        exchange_loads_.back() = std::make_shared<ExchangeLoads>(moesaic::exchange_loads(*moe, of_layer, ranks));
      }
    }
    layer_weights_.push_back(
        layer_weight_bytes(kind, context_of(*this, routing_.back().get(), exchange_loads_.back().get(), true)));
  }
  embedding_weights_ = embedding_weight_bytes(architecture_, context_of(*this, nullptr, nullptr, true));
}

StepPlan StepPlan::on(const Machine& machine) const {
  StepPlan plan = *this;
  plan.machine_ = machine;
  plan.view_ = view_machine(machine, mapping_.devices());
  return plan;
}

Work work_on(const Operator& op, const MachineView& view) {
  Work demand = work(op);
  if (const auto* collective = std::get_if<Collective>(&op.shape)) {
    const WireBytes least =
        wire_bytes(*collective, nodes_of(view, collective->ranks, collective->stride), view.in_switch_reduction);
    demand.wire = least.scale_up;
    demand.network = least.network;
  }
  return demand;
}

void StepBuilder::build(const Batch& batch, const StepOptions& options, StepGraph& graph) {
  graph.clear();
  graph.blocks = &plan_.architecture().blocks;
  graph.layers.reserve(plan_.architecture().kinds.size() + 2);
  graph.tasks.reserve(kTasksOfALayer * (plan_.architecture().kinds.size() + 2));
  share_batch(batch, plan_.mapping(), rank_batch_);
  graph.sequences = rank_batch_.sequences;
  graph.tokens = rank_batch_.tokens;
  graph.only_decodes = rank_batch_.decodes;
  LayerWriter writer(graph, plan_.view());

  const auto write = [&](double executions, Bytes weights, auto&& append, const RankLoadTable* routing,
                         const ExchangeLoads* exchange_loads) {
    operators_.clear();
    append(context_of(plan_, routing, exchange_loads, options.balanced_routing));
    writer.begin_layer(executions);
    plan_.placement().begin_layer(writer, weights);
    for (const Operator& op : operators_) {
      plan_.placement().place(writer, op, work_on(op, plan_.view()));
    }
    writer.end_layer();
  };

  write(
      1, Bytes{0}, [&](const LayerContext& context) { append_input(context, rank_batch_, operators_); }, nullptr,
      nullptr);
  const Architecture& architecture = plan_.architecture();
  for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
    write(
        static_cast<double>(architecture.count_of_kind(static_cast<int>(kind))), plan_.layer_weights(kind),
        [&](const LayerContext& context) { append_layer(architecture.kinds[kind], context, rank_batch_, operators_); },
        plan_.routing(kind), plan_.exchange_loads(kind));
  }
  write(
      1, Bytes{0}, [&](const LayerContext& context) { append_output(context, rank_batch_, operators_); }, nullptr,
      nullptr);
}

StepGraph build_step(const StepPlan& plan, const Batch& batch, const StepOptions& options) {
  StepGraph graph;
  StepBuilder(plan).build(batch, options, graph);
  return graph;
}

}  // namespace moesaic
