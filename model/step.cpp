#include "model/step.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "model/expert_placement.hpp"

namespace moesaic {
namespace {

constexpr double kMostCapacity = 1000;
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
          .exchange = plan.exchange(),
          .capacity_factor = plan.features().capacity_factor,
          .overlap = plan.features().overlap};
}

void check_features(const StepFeatures& features, const Placement& placement) {
  if (features.overlap.kind == OverlapKind::two_batch && !placement.several_batches()) {
    throw UserError("--overlap: placement '" + std::string(placement.name()) +
                    "' does not work on two batches at once; two-batch works with 'resident' and units near memory");
  }
  if (!(features.capacity_factor >= 0) || features.capacity_factor > kMostCapacity) {
    throw UserError("--capacity-factor: must be 0 (all tokens, nothing dropped) or a number up to " +
                    std::to_string(static_cast<int>(kMostCapacity)));
  }
}

/// The first layers become kinds of their own, behind the others.
void give_own_kinds(Architecture& architecture, int layers) {
  const auto count = std::min(static_cast<std::size_t>(layers), architecture.layers.size());
  if (count == 0) {
    return;
  }
  std::vector<int> own(architecture.kinds.size(), -1);
  for (std::size_t i = 0; i < count; ++i) {
    int& kind = architecture.layers[i];
    int& copy = own[static_cast<std::size_t>(kind)];
    if (copy < 0) {
      copy = static_cast<int>(architecture.kinds.size());
      architecture.kinds.push_back(LayerKind(architecture.kinds[static_cast<std::size_t>(kind)]));
    }
    kind = copy;
  }
  architecture.blocks = fold_layers(architecture.layers);
}

}  // namespace

StepPlan::StepPlan(Architecture architecture, Precision precision, Machine machine, Mapping mapping,
                   PlacementPointer placement, const std::string& routing, ExchangeKind exchange,
                   const StepFeatures& features, PlanTables* known)
    : architecture_(std::move(architecture)),
      precision_(precision),
      machine_(std::move(machine)),
      mapping_(mapping),
      placement_(std::move(placement)),
      exchange_(exchange),
      features_(features) {
  check_mapping(architecture_, mapping_, machine_);
  placement_->check(machine_);
  check_features(features_, *placement_);
  const std::size_t shared_kinds = architecture_.kinds.size();
  give_own_kinds(architecture_, placement_->device_layers());
  stages_ = pipeline_stages(architecture_, mapping_.pipeline);
  view_ = view_machine(machine_, mapping_.devices());
  PlanTables own(routing);
  PlanTables& common = known != nullptr ? *known : own;
  for (const LayerKind& kind : architecture_.kinds) {
    routing_.push_back(nullptr);
    exchange_loads_.push_back(nullptr);
    if (const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward)) {
      routing_.back() = common.loads(*moe, mapping_.expert, mapping_.redundant);
      const ExchangeRanks ranks{mapping_.expert, mapping_.expert_tensor(), view_.node_devices, mapping_.redundant};
      if (ranks.nodes() > 1 && mapping_.spreads_tokens()) {
        exchange_loads_.back() = common.exchange(*moe, ranks);
      }
    }
    layer_weights_.push_back(
        layer_weights_of(kind, context_of(*this, routing_.back().get(), exchange_loads_.back().get(), true)));
    layer_weights_.back().on_device = layer_weights_.size() > shared_kinds;
  }
  const EmbeddingBytes tables = embedding_weight_bytes(architecture_, context_of(*this, nullptr, nullptr, true));
  input_weights_ = tables.input;
  output_weights_ = tables.output;
}

Bytes StepPlan::embedding_weights(const PipelineStage& stage) const {
  if (stage.first && stage.last) {
    return embedding_weights();
  }
  const Bytes head = architecture_.tied_embeddings ? input_weights_ : output_weights_;
  return (stage.first ? input_weights_ : Bytes{}) + (stage.last ? head : Bytes{});
}

void StepPlan::place(PlacementPointer placement) {
  MOESAIC_ASSERT(placement->device_layers() == placement_->device_layers());
  placement->check(machine_);
  check_features(features_, *placement);
  placement_ = std::move(placement);
}

StepPlan StepPlan::on(const Machine& machine) const {
  StepPlan plan = *this;
  plan.machine_ = machine;
  plan.view_ = view_machine(machine, mapping_.devices());
  plan.view_.attained = view_.attained;
  return plan;
}

StepPlan StepPlan::with_stages_at_work(int stages) const {
  StepPlan plan = *this;
  plan.view_ = view_machine(machine_, mapping_.devices(), stages * mapping_.stage_devices());
  plan.view_.attained = view_.attained;
  return plan;
}

int StepPlan::stages_of_node() const {
  return std::max(1, std::min(mapping_.devices(), view_.node_devices) / mapping_.stage_devices());
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

/// One part of a step: its input, the layers of a kind, or its output.
struct StepBuilder::Part {
  double executions = 1;
  LayerWeights weights{};
  const RankLoadTable* routing = nullptr;
  const ExchangeLoads* exchange_loads = nullptr;
  void (*append)(const LayerContext&, const RankBatch&, const Part&, std::vector<Operator>&) = nullptr;
  const LayerKind* layer = nullptr;
  bool look_up = true;   ///< of the input
  bool hand_out = true;  ///< of the output
  double transfers = 0;  ///< to the next stage
};

void StepBuilder::write(LayerWriter& writer, const Part& part, const StepOptions& options,
                        std::span<const RankBatch> batches) {
  const MachineView& view = plan_.view();
  LayerContext context = context_of(plan_, part.routing, part.exchange_loads, options.balanced_routing);
  if (!options.overlap) {
    context.overlap = {};
  }
  const Placement& placement = plan_.placement();
  writer.begin_layer(part.executions);
  placement.begin_layer(writer, part.weights);
  std::size_t alike = 2;  // batches up to this one are as the second
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const RankBatch& batch = batches[i];
    if (i == alike && batch == batches[1]) {
      writer.copy_batch();
      ++alike;
      continue;
    }
    if (i > 0) {
      writer.begin_next_batch();
    }
    operators_.clear();
    part.append(context, batch, part, operators_);
    for (const Operator& op : operators_) {
      placement.place(writer, op, work_on(op, view));
    }
    placement.end_batch(writer);
  }
  writer.end_layer();
}

void StepBuilder::build(const Batch& batch, const StepOptions& options, StepGraph& graph) {
  const Architecture& architecture = plan_.architecture();
  const PipelineStage* stage = options.stage ? &plan_.stages()[static_cast<std::size_t>(*options.stage)] : nullptr;
  graph.clear();
  graph.blocks = stage != nullptr ? &stage->blocks : &architecture.blocks;
  graph.layers.reserve(architecture.kinds.size() + 2);
  graph.tasks.reserve(kTasksOfALayer * (architecture.kinds.size() + 2));
  share_batch(batch, plan_.mapping(), rank_batch_);
  graph.sequences = rank_batch_.sequences;
  graph.tokens = rank_batch_.tokens;
  graph.only_decodes = rank_batch_.decodes;
  const bool two = options.overlap && plan_.features().overlap.kind == OverlapKind::two_batch;
  const int wanted = two ? 2 : options.overlap || options.one_batch ? plan_.placement().batches() : 1;
  split_batch(rank_batch_, plan_.mapping(), wanted, batches_);
  if (options.one_batch) {
    batches_.resize(1);
  }
  LayerWriter writer(graph, plan_.view());

  write(writer,
        {.append =
             [](const LayerContext& context, const RankBatch& share, const Part& part, std::vector<Operator>& out) {
               if (part.look_up) {
                 append_input(context, share, out);
               }
             },
         .look_up = !plan_.features().layers_only && (stage == nullptr || stage->first)},
        options, batches_);
  for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
    const std::int64_t layers =
        stage != nullptr ? stage->layers_of_kind[kind] : architecture.count_of_kind(static_cast<int>(kind));
    write(writer,
          {.executions = static_cast<double>(layers),
           .weights = plan_.layer_parts(kind),
           .routing = plan_.routing(kind),
           .exchange_loads = plan_.exchange_loads(kind),
           .append = [](const LayerContext& context, const RankBatch& share, const Part& part,
                        std::vector<Operator>& out) { append_layer(*part.layer, context, share, out); },
           .layer = &architecture.kinds[kind]},
          options, batches_);
  }
  const double transfers = stage != nullptr ? (stage->last ? 0 : 1) : plan_.mapping().pipeline - 1;
  write(writer,
        {.append =
             [](const LayerContext& context, const RankBatch& share, const Part& part, std::vector<Operator>& out) {
               append_stage_transfer(context, share, part.transfers, out);
               if (part.hand_out) {
                 append_output(context, share, out);
               }
             },
         .hand_out = !plan_.features().layers_only && (stage == nullptr || stage->last),
         .transfers = transfers},
        options, batches_);
}

void StepBuilder::build_part(const StepPart& part, const RankBatch& batch, const StepOptions& options,
                             StepGraph& graph) {
  using What = StepPart::What;
  graph.clear();
  graph.sequences = batch.sequences;
  graph.tokens = batch.tokens;
  graph.only_decodes = batch.decodes;
  rank_batch_ = batch;
  const bool outside = part.what == What::input || part.what == What::output;
  if (outside && plan_.features().layers_only) {
    return;
  }
  Part written{.transfers = part.transfers};
  if (part.what == What::attention || part.what == What::feed_forward) {
    written.routing = plan_.routing(part.kind);
    written.exchange_loads = plan_.exchange_loads(part.kind);
    written.layer = &plan_.architecture().kinds[part.kind];
    written.weights = part.what == What::attention ? plan_.layer_parts(part.kind) : LayerWeights{};
  }
  switch (part.what) {
    case What::input:
      written.append = [](const LayerContext& context, const RankBatch& share, const Part&,
                          std::vector<Operator>& out) { append_input(context, share, out); };
      break;
    case What::attention:
      written.append = [](const LayerContext& context, const RankBatch& share, const Part& of,
                          std::vector<Operator>& out) { append_attention(of.layer->attention, context, share, out); };
      break;
    case What::feed_forward:
      written.append = [](const LayerContext& context, const RankBatch& share, const Part& of,
                          std::vector<Operator>& out) {
        append_feed_forward(of.layer->feed_forward, context, share, out);
      };
      break;
    case What::transfers:
      written.append = [](const LayerContext& context, const RankBatch& share, const Part& of,
                          std::vector<Operator>& out) { append_stage_transfer(context, share, of.transfers, out); };
      break;
    case What::output:
      written.append = [](const LayerContext& context, const RankBatch& share, const Part&,
                          std::vector<Operator>& out) { append_output(context, share, out); };
      break;
  }
  LayerWriter writer(graph, plan_.view());
  write(writer, written, options, {&rank_batch_, 1});
}

StepGraph build_step(const StepPlan& plan, const Batch& batch, const StepOptions& options) {
  StepGraph graph;
  StepBuilder(plan).build(batch, options, graph);
  return graph;
}

}  // namespace moesaic
