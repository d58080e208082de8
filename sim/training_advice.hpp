// What would fit, where a training step does not: the nearest mappings and settings, found by trying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/training_prediction.hpp"

namespace moesaic {

/// What may be changed to make a step fit, each in the direction that takes memory away from a device. Data parallelism
/// gives or takes what the other degrees leave, and `expert_tensor` follows `tensor` where it was the same.
enum class TrainingChange : std::uint8_t {
  zero,
  recompute,
  micro_batch,
  tensor,
  sequence,
  pipeline,
  context,
  expert,
  expert_tensor,
  devices
};
/// As the command line calls it: "--zero", "tp".
const char* name(TrainingChange change);

struct TrainingOption {
  Mapping mapping;
  Training training;
  std::vector<TrainingChange> changes;
  Bytes memory{};  ///< of the fullest device
  Seconds step{};
};

struct TrainingAdvice {
  /// The fewest changes that fit; of every choice of what to change the one with the shortest step. Shortest step
  /// first. Where nothing fits on as many devices: on the fewest that do, doubled as far as the machine has them.
  std::vector<TrainingOption> options;
  TrainingOption closest;  ///< where there are none: what takes the least memory of all that was tried
  std::size_t tried = 0;   ///< predictions
  int most_devices = 0;    ///< that were tried
};

/// Tries everything that asks no more memory of a device than `mapping` and `training` do: more tensor, pipeline,
/// context and expert parallelism, higher ZeRO stages, more recomputation, halves of the micro-batch; first one change,
/// then two, and so on. On more devices than asked for only with ZeRO 3, full recomputation and one sequence at a time.
TrainingAdvice training_advice(const TrainingPredictor& predictor, const Mapping& mapping, const Training& training);

}  // namespace moesaic
