// One step of a replica whose layers are spread over pipeline stages.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "model/step.hpp"
#include "sim/step_pieces.hpp"
#include "sim/step_times.hpp"

namespace moesaic {

/// Times of one micro-batch on every stage. A stage's time ends when what it passes on has been sent.
struct StagePass {
  StepTimes slowest;  ///< of any stage, at each rung by itself; demands likewise
  StepTimes through;  ///< all stages one after another
};

/// Evaluates steps stage by stage; keeps its buffers between calls.
class PipelinedStep {
 public:
  PipelinedStep(const StepPlan& plan, const CostModel& cost);

  /// From now on `micro_batches` go round at once: where they are fewer than the stages, a stage that has one shares
  /// its node's host with as many others as have one too.
  void at_work(double micro_batches);
  /// Whether that makes a difference: several stages use one host.
  bool shares_host() const { return shares_host_; }

  /// From now on steps are put together from `pieces` where they can be: only ideal and total are then worked out by
  /// pass(), and graphs are left alone. Null: every step is built.
  void remember(StepPieces* pieces) { pieces_ = pieces; }

  /// From now on pass() works out `total` alone.
  void only_totals() { only_totals_ = true; }

  /// `graph`: left with the step of the last stage, or of the network where it has one.
  void pass(const Batch& batch, const StepOptions& options, StepGraph& graph, StagePass& out);
  /// As pass(), with ideal and busy only.
  void ideal_pass(const Batch& batch, const StepOptions& options, StepGraph& graph, StagePass& out);

 private:
  /// `evaluate(options, times)` of every stage.
  template <class Evaluate>
  void each_stage(const StepOptions& options, StagePass& out, Evaluate evaluate);

  /// What the stages demand of their host together, in the place of the slowest one's: they take turns at it.
  void sum_host_demands(StagePass& out) const;

  const StepPlan& plan_;
  const CostModel& cost_;
  bool shares_host_;
  const StepPlan* now_;  ///< plan_, or the one of these with as many stages at work
  std::map<int, std::shared_ptr<const StepPlan>> fewer_at_work_;
  std::optional<StepBuilder> builder_;
  StepPieces* pieces_ = nullptr;
  bool only_totals_ = false;
  StepTimes stage_;
};

/// Micro-batches in which `sequences` sequences of one data-parallel group decode: as many as there are stages, so that
/// all of them have work, but of one sequence at least.
double decode_micro_batches(int stages, double sequences);
/// Steps in which `prompts` whole prompts of one group are read, of at most `most` at once: the fewest, but one for
/// each stage as far as there are prompts.
double prefill_steps(int stages, double prompts, double most);
/// `count` micro-batches going round: each token needs the one before, so that a round takes as long as the slowest
/// stage needs for all of them, or one of them for all stages, whichever is longer.
void round_of(const StagePass& pass, double count, StepTimes& out);

}  // namespace moesaic
