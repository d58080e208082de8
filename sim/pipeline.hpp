// Time of one training step over pipeline stages: which micro-batch each stage works on when, and what is idle.
#pragma once

#include <cstdint>
#include <vector>

#include "base/quantity.hpp"
#include "model/pipeline_schedule.hpp"

namespace moesaic {

/// One run of layers on one stage, for one micro-batch. Schedules that do not tell the backward's parts apart add them.
struct ChunkTimes {
  Seconds forward{};
  Seconds backward_input{};    ///< recomputation included
  Seconds backward_weights{};  ///< of weight gradients
  /// A forward and a whole backward (of other micro-batches) at once, where their communication hides behind each
  /// other's computation (dualpipe); zero: one after the other.
  Seconds both_ways{};
};

struct PipelineProblem {
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  int stages = 1;
  int chunks = 1;  ///< runs of layers a stage; chunk c of stage s is the (c * stages + s)-th run of the network
  std::int64_t micro_batches = 1;
  std::vector<ChunkTimes> times;  ///< by c * stages + s
  Seconds transfer{};             ///< of activations or their gradients to the next stage
};

/// What one stage did when: for pictures and tests.
struct PipelineSpan {
  enum class What : std::uint8_t { forward, backward, backward_weights, both_ways };
  What what = What::forward;
  int stage = 0;
  int chunk = 0;
  std::int64_t micro_batch = 0;
  Seconds start{};
  Seconds end{};
};

struct PipelineTimes {
  Seconds total{};
  std::vector<Seconds> busy;  ///< of each stage; the rest is its bubble
  /// Most (micro-batch, chunk) activations that each stage holds at once, from the forward pass until weight gradients
  /// are computed: with zero-bubble min(m, p) on every stage, because later stages put off s of them.
  std::vector<double> in_flight;
  std::vector<PipelineSpan> spans;  ///< when asked for; chunk 1 of dualpipe goes from the last stage to the first
};

/// Deterministic. Steady states are not walked through: where rounds repeat, time does not grow with the number of
/// micro-batches. Times are rounded to 2^-51 of all work, which makes sums and repeats exact. Throws UserError where
/// the schedule does not allow the counts (interleaved: micro-batches not a multiple of stages; dualpipe: fewer than
/// two micro-batches for each stage, or an odd number of either; several chunks of a schedule that has one), naming the
/// nearest that works.
PipelineTimes run_pipeline(const PipelineProblem& problem, bool spans = false);
/// The same with every micro-batch walked through.
PipelineTimes walk_pipeline(const PipelineProblem& problem);

/// Closed forms where all chunks take `times` and transfers nothing, of each stage: (p-1)(F+B) for 1f1b, gpipe and
/// interleaved (whose chunks are that much shorter than a stage), (p-1)(F+B-2W) for zero-bubble, (p/2-1)(F&B+B-3W) for
/// dualpipe, with B = input + weights (2412.19437, table 2).
Seconds pipeline_bubble(PipelineSchedule schedule, int stages, const ChunkTimes& times);

}  // namespace moesaic
