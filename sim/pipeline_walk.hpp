// Walks through the order of a pipeline's stages until it repeats.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/pipeline.hpp"
#include "sim/pipeline_order.hpp"

namespace moesaic {

struct PipelineWalkOptions {
  bool jump = true;     ///< over rounds that repeat; else all are walked through
  bool spans = false;   ///< wanted; then nothing is jumped over
  bool put_off = true;  ///< stage s puts off s weight gradients where pauses take them; else none
};

/// One walk. Times are counted in a power of two of seconds that makes every sum exact, so that a round repeats exactly
/// or not at all.
class PipelineWalk {
 public:
  PipelineWalk(const PipelineProblem& problem, const PipelineOrder& order, const PipelineWalkOptions& options);
  PipelineTimes run();
  /// Whether the first stage is the last to end.
  bool ends_in_first_stage() const;

 private:
  static constexpr std::uint32_t kNobody = 0xFFFFFFFF;
  struct Stage {
    double free = 0;
    double busy = 0;
    std::size_t loop = 0;  ///< of this stage's loops
    std::int64_t repeat = 0;
    std::uint32_t position = 0;
    std::uint32_t allowed = 0;  ///< weight gradients that may be put off
    std::size_t head = 0;       ///< first of those put off
    std::int64_t held = 0;
    std::int64_t most_held = 0;
    std::vector<std::uint32_t> put_off;  ///< their runs
    std::size_t pending() const { return put_off.size() - head; }
  };
  /// One direction of one run of layers.
  struct Pass {
    double duration = 0;
    double transfer = 0;              ///< to the next pass; none to one on the same stage
    std::uint32_t source = kNobody;   ///< pass that this one continues
    std::uint32_t waiting = kNobody;  ///< stage that waits for the next micro-batch from here
    std::int64_t done = 0;            ///< micro-batches
  };
  struct Weights {
    double duration = 0;
    double hidden = 0;  ///< of a forward and a whole backward of this run that run at once
    std::int64_t done = 0;
  };

  /// Where the walk stood after a round.
  struct Mark {
    std::vector<double> state;
    std::vector<Stage> stages;
    std::int64_t round = 0;
  };

  /// Every stage up to a repeat of one of its loops, or to where it waits for something beyond.
  void sweep(std::size_t loop, std::int64_t repeat);
  bool reached(const Stage& stage, std::size_t loop, std::int64_t repeat) const;
  bool all_reached(std::size_t loop, std::int64_t repeat) const;
  void advance(std::uint32_t index, std::size_t loop, std::int64_t repeat);
  /// False where the stage has to wait for an operation that has not been walked through yet.
  bool step(std::uint32_t index, const PipelineOperation& operation);
  bool ready(std::uint32_t index, const Pass& pass, double& start);
  void finish(std::uint32_t pass, double end);
  double hidden(const PipelineOperation& operation) const;
  void weights(std::uint32_t index);
  void record(PipelineSpan::What what, std::uint32_t index, std::uint32_t run, std::int64_t micro_batch, double start);

  /// Walks one loop of all stages, jumping over what repeats.
  void walk_loop(std::size_t loop);
  /// All that the rest of the walk depends on, relative to the first stage's time.
  void look(std::vector<double>& state) const;
  /// Goes on as if `times` periods like the one since `same` had been walked through.
  void jump(const Mark& same, std::int64_t period, std::int64_t times);

  std::uint32_t forward(std::uint32_t run) const { return run; }
  std::uint32_t backward(std::uint32_t run) const { return runs_ + run; }
  double& arrival(std::uint32_t pass, std::int64_t micro_batch) const {
    return arrivals_[pass * capacity_ + static_cast<std::size_t>(micro_batch & mask_)];
  }

  const PipelineOrder& order_;
  PipelineWalkOptions options_;
  std::uint32_t runs_ = 0;
  double tick_ = 1;  ///< seconds
  std::vector<Stage> stages_;
  std::vector<Pass> passes_;      ///< forwards of all runs, then backwards
  std::vector<Weights> weights_;  ///< of runs
  std::size_t capacity_ = 1;
  std::int64_t mask_ = 0;
  std::unique_ptr<double[]> arrivals_;  ///< of the last micro-batches of each pass, where they go on
  std::vector<std::uint32_t> awake_;
  std::vector<PipelineSpan> spans_;
};

}  // namespace moesaic
