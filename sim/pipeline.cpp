#include "sim/pipeline.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace moesaic {

PipelineTimes run_pipeline(const PipelineProblem& problem, bool) {
  const auto stages = static_cast<std::size_t>(problem.stages);
  PipelineTimes result;
  result.busy.assign(stages, Seconds{});
  Seconds all, most;
  const double micro_batches = static_cast<double>(problem.micro_batches);
  for (std::size_t s = 0; s < stages; ++s) {
    Seconds once;
    for (std::size_t run = s; run < problem.times.size(); run += stages) {
      const ChunkTimes& times = problem.times[run];
      once += times.forward + times.backward_input + times.backward_weights;
    }
    all += once;
    most = std::max(most, once);
    result.busy[s] = once * micro_batches;
    const double left = problem.stages - static_cast<double>(s);
    result.in_flight.push_back(problem.schedule == PipelineSchedule::gpipe ? micro_batches * problem.chunks
                               : problem.chunks == 1
                                   ? std::min(micro_batches, left)
                                   : std::min(micro_batches * problem.chunks,
                                              2 * (left - 1) + (problem.chunks - 1) * problem.stages + 1));
  }
  result.total = most * micro_batches + (all - most) / problem.chunks + problem.transfer * (2.0 * (problem.stages - 1));
  return result;
}

Seconds pipeline_bubble(PipelineSchedule, int stages, int chunks, const ChunkTimes& times) {
  return (times.forward + times.backward_input + times.backward_weights) * (static_cast<double>(stages - 1) / chunks);
}

}  // namespace moesaic
