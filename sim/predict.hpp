// From a replica and a load to the prediction.
#pragma once

#include <string>
#include <vector>

#include "calibrate/cost_model.hpp"
#include "model/precision.hpp"
#include "model/step.hpp"
#include "sim/pipelined_step.hpp"
#include "sim/prediction.hpp"
#include "sim/quadrature.hpp"
#include "sim/step_pieces.hpp"
#include "sim/step_times.hpp"

namespace moesaic {

/// A replica with its cost model: all that a prediction needs besides the load.
struct Deployment {
  StepPlan plan;
  CostModelPointer cost;
};
/// Its cost model in words, and what is left out of its steps.
std::string cost_name(const Deployment& deployment);

/// Throws UserError for a load that is not positive or too large.
void check(const Load& load);

/// Times of one phase of a static batch, before they are dressed as a Prediction: numbers only.
struct PhaseTimes {
  Seconds limit;           ///< of the whole batch, balanced routing
  Seconds limit_resource;  ///< its two parts
  Seconds limit_path;
  StepTimes whole;                    ///< the whole batch at once (prefill: in one step), at every rung
  Seconds unchunked;                  ///< the running batch in one step, times the waves
  Seconds predicted;                  ///< prefill: in steps of at most step_tokens; decode: unchunked
  std::vector<double> balanced_busy;  ///< seconds at peak per resource, balanced routing
  double steps = 1;

  /// Adds the limit of `weight` steps: a bound holds for each step, so the mean of the bounds bounds the mean.
  void add_limit(const StepTimes& step, double weight);
};

struct LoadTimes {
  bool fits = true;
  double running = 0;  ///< requests served at once
  double waves = 0;    ///< batch / running, of the fullest attention-parallel group
  PhaseTimes prefill;
  PhaseTimes decode;
  Seconds end_to_end;
};

/// How much of a load's times is worked out: all, or only what a search compares.
enum class TimesDetail : std::uint8_t {
  all,
  times,  ///< what is predicted: the phases' `predicted` and `steps`, and end_to_end
  limits  ///< the limits of both phases
};

/// Predicts loads on one deployment; keeps its buffers between calls, so that a sweep does not allocate.
class Predictor {
 public:
  /// `pieces`: parts of steps remembered from other deployments that differ in their mapping only, with the same costs;
  /// may be null. Not read where all details are wanted.
  explicit Predictor(const Deployment& deployment, StepPieces* pieces = nullptr)
      : deployment_(deployment),
        steps_(deployment.plan, *deployment.cost),
        limit_is_actual_(deployment.plan.mapping().expert == 1 && deployment.plan.placement().batches() == 1 &&
                         deployment.plan.features().overlap.kind == OverlapKind::none),
        pieces_(pieces) {}

  /// Throws UserError for a load that is not positive or too large.
  const LoadTimes& times(const Load& load, TimesDetail detail = TimesDetail::all);
  /// A step of the phase last asked for: which operators there are and in which formats.
  const StepGraph& prefill_step() const { return prefill_step_; }
  const StepGraph& decode_step() const { return decode_step_; }
  /// What must fit for `load`, with `sequences` requests at once.
  MemoryLoad memory_load(const Load& load, double sequences) const;

 private:
  void prefill(const Load& load, double running, double waves);
  void decode(const Load& load, double running, double waves);
  Seconds evaluate_prefill(double weight, StepTimes& sum);
  void evaluate_decode(double sequences, double context, double weight, StepTimes& sum);
  Batch& micro_batch(double sequences, double context);
  double steps_of_prefill(const Load& load, double running) const;
  Seconds in_steps(const Load& load, double running, double& steps);

  const Deployment& deployment_;
  PipelinedStep steps_;
  bool limit_is_actual_;
  TimesDetail detail_ = TimesDetail::all;
  StepPieces* pieces_;
  StepGraph prefill_step_;
  StepGraph decode_step_;
  StagePass pass_;
  StepTimes step_;
  double micro_batches_ = 1;
  Batch batch_;
  std::vector<Node> nodes_;
  LoadTimes times_;
};

/// A phase with its limit's resource in words, its waterfall and the use of every resource; `graph`: one of its steps.
PhasePrediction phase_prediction(const PhaseTimes& times, const StepGraph& graph, const Deployment& deployment);

/// Fits, times, limits, waterfall, utilisation, energy and money of a static batch. Advice and elasticity are left to
/// the functions below. Throws UserError for a load that is not positive or too large.
Prediction predict(const Deployment& deployment, const Load& load);

/// What would make it fit; meaningful when `prediction.fits` is false, or to show headroom.
FitAdvice fit_advice(const Deployment& deployment, const Load& load);

/// d ln(throughput) / d ln(figure) for every hardware figure, by predicting again with one percent more, largest effect
/// first. For latencies: the effect of one percent less.
std::vector<Elasticity> elasticities(const Deployment& deployment, const Load& load);

/// Predictions over batch sizes 1, 2, 4, ... around the load's batch, for curves; does not fit beyond some point.
std::vector<SweepPoint> sweep_batch(const Deployment& deployment, const Load& load);

/// The operators of the prefill step, or of the decode step in the middle of the generation; with pipeline stages those
/// of one micro-batch on the slowest of them (StagePart), prompts in steps of at most load.step_tokens.
enum class Phase { prefill, decode };
OperatorTable explain_step(const Deployment& deployment, const Load& load, Phase phase);

}  // namespace moesaic
