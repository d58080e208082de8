// Times of steps of a serving run, remembered by what they consist of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/batch.hpp"
#include "sim/serving_system.hpp"
#include "sim/step_curve.hpp"

namespace moesaic {

/// Steps of as many decodes beside the same prompts differ in the decodes' mean context only: they share a curve.
/// `system` must outlive it.
class StepMemory {
 public:
  explicit StepMemory(const ServingSystem& system) : system_(system) {}

  /// `decodes` requests after `context` cached tokens in the mean, from there on one more with every step.
  StepRamp decode_steps(std::int64_t decodes, double context, std::int64_t most);
  /// One step of them with prompts. Prompts that come for the first time are evaluated as they are: lengths that are
  /// drawn hardly come again.
  Seconds mixed_step(std::int64_t decodes, double context, const std::vector<BatchGroup>& prompts);

 private:
  StepCurve curve(std::int64_t decodes, const std::vector<BatchGroup>& prompts) const;

  const ServingSystem& system_;
  std::unordered_map<std::int64_t, StepCurve> decodes_;
  std::map<std::vector<double>, std::optional<StepCurve>> mixed_;
};

}  // namespace moesaic
