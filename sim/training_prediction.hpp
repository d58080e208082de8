// One training step predicted: forward and backward of all micro-batches over the pipeline, gradients, optimizer.
#pragma once

#include <memory>
#include <string>

#include "calibrate/cost_model.hpp"
#include "model/mapping.hpp"
#include "model/training.hpp"
#include "sim/pipeline.hpp"

namespace moesaic {

/// Bytes that the fullest device holds.
struct TrainingMemory {
  Bytes weights{};
  Bytes gradients{};
  Bytes optimizer{};    ///< master weights and moments
  Bytes activations{};  ///< of all micro-batches in flight, their buffers included
  Bytes reserve{};      ///< the runtime's: context, communication, fragmentation
  Bytes capacity{};
  int stage = 0;  ///< the fullest pipeline stage
  Bytes total() const { return weights + gradients + optimizer + activations + reserve; }
  bool fits() const { return total() <= capacity; }
};

/// Parts of the step on the slowest stage; they add up to the step.
struct TrainingParts {
  Seconds compute{};    ///< kernels of forward and backward
  Seconds recompute{};  ///< of them, what is computed again
  Seconds tensor{};     ///< exposed communication of tensor and sequence parallelism
  Seconds context{};    ///< of context parallelism
  Seconds expert{};     ///< of expert parallelism
  Seconds bubble{};     ///< the pipeline's, transfers included
  Seconds data{};       ///< exposed reduction of gradients and gathering of weights
  Seconds optimizer{};
  Seconds total() const { return compute + recompute + tensor + context + expert + bubble + data + optimizer; }
};

struct TrainingPrediction {
  Seconds step{};
  TrainingParts parts;
  TrainingMemory memory;
  PerSecond tokens{};           ///< a second, over all devices
  FlopsPerSecond model_rate{};  ///< model FLOPs (3x forward, causal, nothing recomputed) a second and device
  double mfu = 0;               ///< of the peak rate of the format that most products run in
  double mfu_full_square = 0;  ///< scores counted for all pairs of tokens, not only for those that a causal mask leaves
  double hfu = 0;              ///< recomputation counted
  PipelineTimes pipeline;
  Seconds limit{};  ///< that no schedule of this mapping beats
};

/// Predicts training steps of one model on one machine. Keeps the costs of layers that mappings have in common. Several
/// threads may predict at once.
class TrainingPredictor {
 public:
  /// `routing`: as Routing::parse takes it. Throws UserError.
  TrainingPredictor(Architecture architecture, Precision precision, Machine machine, CostModelPointer cost,
                    std::string routing = "uniform");
  ~TrainingPredictor();

  /// Throws UserError where the mapping contradicts the network, the machine or the batch (global_batch a multiple of
  /// micro_batch * data), naming the nearest that works. What does not fit is predicted all the same.
  TrainingPrediction predict(const Mapping& mapping, const Training& training) const;
  const Architecture& architecture() const;
  const Precision& precision() const;
  const Machine& machine() const;
  const CostModel& cost() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesaic
