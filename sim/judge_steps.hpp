// Measured steps of whole networks against their predictions.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "calibrate/measured_step.hpp"
#include "calibrate/software_terms.hpp"
#include "sim/closed_loop.hpp"
#include "sim/predict.hpp"

namespace moesaic {

/// Ways to predict the same row.
enum class StepBasis : std::uint8_t {
  measured,    ///< measured kernels and the engine's terms
  kernels,     ///< measured kernels alone
  efficiency,  ///< default efficiencies, with their host time
  peak,        ///< peak rates
};
inline constexpr std::size_t kStepBasisCount = 4;
std::string_view name(StepBasis basis);

struct JudgedStep {
  MeasuredStep step;
  bool fitted = false;               ///< its configuration is of the half that terms are fitted on; never for a layer
  std::vector<WeightedParts> parts;  ///< of measured kernels; none for a layer, which has no terms
  std::string kernels;               ///< the cost model's name
  Seconds predicted[kStepBasisCount];
  double error(StepBasis basis) const { return predicted[static_cast<std::size_t>(basis)] / step.measured - 1; }
};

struct StepJudgement {
  std::vector<JudgedStep> rows;
  std::map<std::string, std::size_t> not_judged;  ///< why -> rows
  std::vector<Software> fitted;                   ///< the terms that the fitted half of these rows gives
  std::vector<Software> used;                     ///< the terms of `predicted`: shipped, else fitted
};

struct JudgeStepsOptions {
  bool refit = false;  ///< use the terms fitted here instead of the shipped ones
};

/// Deploys a step for a basis, by the name of its cost model ("vllm", "default", "peak"). Throws UserError, which says
/// why its rows are not judged.
using DeployStep = std::function<Deployment(const MeasuredStep&, const std::string& cost)>;

StepJudgement judge_steps(const MeasuredSteps& steps, const DeployStep& deploy, const JudgeStepsOptions& options);

/// The operators of a measured layer, one after another: of the first layer kind, for one batch of prompts. Throws
/// UserError if the layer lacks one of them.
Seconds layer_time(const MeasuredStep& layer, const Deployment& deployment);

/// The steps that a measured time consists of, and how often each.
std::vector<WeightedBatch> steps_of(const MeasuredStep& step, const Deployment& deployment);

}  // namespace moesaic
