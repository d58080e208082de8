// In which order each stage of a pipeline works: what run_pipeline() walks through.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/pipeline.hpp"

namespace moesaic {

/// A step of one stage. Runs of layers are numbered along the way of a micro-batch; the ways of dualpipe, from either
/// end, one after the other. A run takes its micro-batches in their order, so that no operation needs to name one.
struct PipelineOperation {
  enum class Kind : std::uint8_t { forward, backward, backward_input, backward_weights, both_ways };
  Kind kind = Kind::forward;
  std::uint32_t forward = 0;   ///< run whose forward this is
  std::uint32_t backward = 0;  ///< run whose backward this is; weight gradients are those put off first
};

/// `count` operations from `first`, `repeats` times.
struct PipelineLoop {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::int64_t repeats = 1;
};

struct PipelineOrder {
  std::uint32_t way = 1;             ///< runs on the way of a micro-batch
  std::vector<std::uint32_t> stage;  ///< of each run
  std::vector<PipelineOperation> operations;
  std::size_t loops_per_stage = 1;
  std::vector<PipelineLoop> loops;  ///< of stage 0, then of stage 1, ...; one loop may run for long, and the stages'
                                    ///< repeats of it depend on nobody's later ones
  bool fills_pauses = false;        ///< weight gradients are computed in pauses, and not where the order says
};

/// Counts must be valid.
PipelineOrder pipeline_order(const PipelineProblem& problem);

}  // namespace moesaic
