#include "sim/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "sim/pipeline_order.hpp"
#include "sim/pipeline_walk.hpp"

namespace moesaic {
namespace {

void check(const PipelineProblem& problem) {
  const std::int64_t stages = problem.stages;
  const std::int64_t batches = problem.micro_batches;
  if (stages < 1 || problem.chunks < 1 || batches < 1) {
    throw UserError(fmt::format("pipeline: stages, chunks and micro-batches are at least 1, found {}, {} and {}",
                                stages, problem.chunks, batches));
  }
  if (problem.chunks > 1 && problem.schedule != PipelineSchedule::interleaved) {
    throw UserError(fmt::format("pipeline: {} has one run of layers a stage, found {}; interleaved has several",
                                name(problem.schedule), problem.chunks));
  }
  if (problem.schedule == PipelineSchedule::interleaved && problem.chunks > 1 && batches % stages != 0) {
    throw UserError(
        fmt::format("pipeline: interleaved needs a multiple of the {} stages as micro-batches, found {}; {} works",
                    stages, batches, std::max<std::int64_t>(1, (batches + stages / 2) / stages) * stages));
  }
  if (problem.schedule == PipelineSchedule::dual_pipe) {
    if (stages % 2 != 0) {
      throw UserError(
          fmt::format("pipeline: dualpipe needs an even number of stages, found {}; {} works", stages, stages + 1));
    }
    if (batches < 2 * stages || batches % 2 != 0) {
      throw UserError(fmt::format(
          "pipeline: dualpipe needs an even number of micro-batches, at least two for each of the {} stages, found {}; "
          "{} works",
          stages, batches, std::max(2 * stages, batches + batches % 2)));
    }
  }
  MOESAIC_ASSERT(problem.times.size() == static_cast<std::size_t>(stages) * static_cast<std::size_t>(problem.chunks));
}

PipelineTimes walk(const PipelineProblem& problem, PipelineWalkOptions options) {
  check(problem);
  const PipelineOrder order = pipeline_order(problem);
  PipelineWalk walk(problem, order, options);
  PipelineTimes times = walk.run();
  if (order.fills_pauses && !walk.ends_in_first_stage()) {
    // Stages so uneven that one has too many weight gradients left at the end: it may be better not to put any off.
    options.put_off = false;
    PipelineTimes others = PipelineWalk(problem, order, options).run();
    if (others.total < times.total) {
      return others;
    }
  }
  return times;
}

}  // namespace

PipelineTimes run_pipeline(const PipelineProblem& problem, bool spans) {
  return walk(problem, {.jump = true, .spans = spans, .put_off = true});
}

PipelineTimes walk_pipeline(const PipelineProblem& problem) {
  return walk(problem, {.jump = false, .spans = false, .put_off = true});
}

Seconds pipeline_bubble(PipelineSchedule schedule, int stages, const ChunkTimes& times) {
  const Seconds backward = times.backward_input + times.backward_weights;
  switch (schedule) {
    case PipelineSchedule::gpipe:
    case PipelineSchedule::one_f_one_b:
    case PipelineSchedule::interleaved:
      return (stages - 1) * (times.forward + backward);
    case PipelineSchedule::zero_bubble:
      return (stages - 1) * (times.forward + backward - 2 * times.backward_weights);
    case PipelineSchedule::dual_pipe: {
      const Seconds both = times.both_ways > Seconds{} ? times.both_ways : times.forward + backward;
      const int waits = stages / 2 - 1;
      return waits * (both + backward - 3 * times.backward_weights);
    }
  }
  return {};
}

}  // namespace moesaic
