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
  std::vector<Seconds> busy;        ///< of each stage; the rest is its bubble
  std::vector<double> in_flight;    ///< most (micro-batch, chunk) activations that each stage holds at once
  std::vector<PipelineSpan> spans;  ///< when asked for
};

/// Deterministic. Steady states are not walked through: time does not grow with the number of micro-batches beyond a
/// few rounds of stages. Throws UserError where the schedule does not allow the counts (interleaved: micro-batches not
/// a multiple of stages; dualpipe: fewer than two micro-batches for each stage, or an odd number of stages), naming the
/// nearest that works.
PipelineTimes run_pipeline(const PipelineProblem& problem, bool spans = false);

/// Closed forms where all chunks take equally long and transfers nothing: (p-1)(F+B) for 1f1b and gpipe, over the
/// chunks for interleaved, (p-1)(F+B-2W) for zero-bubble, (p/2-1)(F&B+B-3W) for dualpipe (2412.19437, table 2).
Seconds pipeline_bubble(PipelineSchedule schedule, int stages, int chunks, const ChunkTimes& times);

}  // namespace moesaic
