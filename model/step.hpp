// From a network on a machine to the tasks of one step.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/batch.hpp"
#include "model/layer_operators.hpp"
#include "model/pipeline_stages.hpp"
#include "model/placement.hpp"
#include "model/plan_tables.hpp"
#include "model/routing.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// What of a replica is neither network nor machine nor mapping.
struct StepFeatures {
  Overlap overlap{};
  double capacity_factor = 0;  ///< see LayerContext
  bool layers_only = false;    ///< without what comes before the first layer and behind the last
};

/// Idealisations of a step, for the waterfall, and which part of it.
struct StepOptions {
  bool balanced_routing = false;
  bool overlap = true;         ///< false: as without any, for bounds
  bool one_batch = false;      ///< only the first of the batches that the placement divides it into, for bounds
  std::optional<int> stage{};  ///< of StepPlan::stages(): only its layers; else all stages one after another
};

/// Everything about a replica that does not change from step to step, prepared once: the machine as one rank sees it,
/// the expert load tables, the bytes of its weights.
class StepPlan {
 public:
  /// Checks mapping and placement against network and machine; throws UserError. `routing`: as Routing::parse takes it.
  /// `known`: what this plan has in common with others of the same network and routing; may be null.
  StepPlan(Architecture architecture, Precision precision, Machine machine, Mapping mapping, PlacementPointer placement,
           const std::string& routing = "uniform", ExchangeKind exchange = ExchangeKind::automatic,
           const StepFeatures& features = {}, PlanTables* known = nullptr);

  const Architecture& architecture() const { return architecture_; }
  const Precision& precision() const { return precision_; }
  const Machine& machine() const { return machine_; }
  const Mapping& mapping() const { return mapping_; }
  const Placement& placement() const { return *placement_; }
  const MachineView& view() const { return view_; }
  ExchangeKind exchange() const { return exchange_; }
  const StepFeatures& features() const { return features_; }
  /// The distinct pipeline stages; one, with all layers, without pipeline parallelism.
  const std::vector<PipelineStage>& stages() const { return stages_; }
  const PlacementPointer& placement_pointer() const { return placement_; }

  /// Bytes of weights of layer kind `kind` on the fullest rank.
  Bytes layer_weights(std::size_t kind) const { return layer_weights_[kind].total(); }
  const LayerWeights& layer_parts(std::size_t kind) const { return layer_weights_[kind]; }
  /// Input table and lm_head of a rank that has both (one table where they are tied).
  Bytes embedding_weights() const { return input_weights_ + output_weights_; }
  /// What of them a stage holds: tied tables are held by the first and by the last.
  Bytes embedding_weights(const PipelineStage& stage) const;
  const RankLoadTable* routing(std::size_t kind) const { return routing_[kind] ? &*routing_[kind] : nullptr; }
  /// What its tokens cost the links, where the replica has several nodes; else null.
  const ExchangeLoads* exchange_loads(std::size_t kind) const { return exchange_loads_[kind].get(); }
  /// The same replica on another machine of the same shape (a figure changed).
  StepPlan on(const Machine& machine) const;
  /// The same replica while only `stages` of its pipeline stages have work, which share their host with no others.
  StepPlan with_stages_at_work(int stages) const;
  /// How many stages share a node's host.
  int stages_of_node() const;
  /// Lets the placement decide by what kernels and copies attain instead of by peak rates.
  void attain(const Attained& attained) { view_.attained = attained; }
  /// Another placement with as many layers wholly on the device. Throws UserError where the machine lacks what it
  /// needs.
  void place(PlacementPointer placement);

 private:
  Architecture architecture_;
  Precision precision_;
  Machine machine_;
  Mapping mapping_;
  PlacementPointer placement_;
  MachineView view_;
  ExchangeKind exchange_;
  StepFeatures features_;
  std::vector<PipelineStage> stages_;
  std::vector<std::shared_ptr<const RankLoadTable>> routing_;
  std::vector<std::shared_ptr<const ExchangeLoads>> exchange_loads_;
  std::vector<LayerWeights> layer_weights_;
  Bytes input_weights_;
  Bytes output_weights_;  // zero where it is the input table
};

/// What an operator demands of a rank of this machine: collectives by the nodes that they span.
Work work_on(const Operator& op, const MachineView& view);

/// A piece of a step that mappings and batches have in common more often than whole steps.
struct StepPart {
  enum class What : std::uint8_t { input, attention, feed_forward, transfers, output };
  What what = What::input;
  std::size_t kind = 0;  ///< of layer
  double transfers = 0;  ///< to the next pipeline stage
};

/// Writes the tasks of one step into `graph` (cleared first, its memory reused).
class StepBuilder {
 public:
  explicit StepBuilder(const StepPlan& plan) : plan_(plan) {}
  void build(const Batch& batch, const StepOptions& options, StepGraph& graph);
  /// One part alone, as if it were the only layer. Where all parts are one chain, so is the step, and its time is the
  /// sum over its parts.
  void build_part(const StepPart& part, const RankBatch& batch, const StepOptions& options, StepGraph& graph);

 private:
  struct Part;
  void write(LayerWriter& writer, const Part& part, const StepOptions& options, std::span<const RankBatch> batches);

  const StepPlan& plan_;
  RankBatch rank_batch_;
  std::vector<RankBatch> batches_;
  std::vector<Operator> operators_;
};

/// The same in one call.
StepGraph build_step(const StepPlan& plan, const Batch& batch, const StepOptions& options = {});

}  // namespace moesaic
