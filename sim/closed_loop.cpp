#include "sim/closed_loop.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {

std::vector<WeightedBatch> closed_loop_steps(const ClosedLoop& loop) {
  const double own = std::max(1.0, loop.concurrency / loop.groups);  // requests of one group
  const double decode_steps = std::max(1.0, loop.output - 1);
  const double others = own - 1;
  const double room = std::max(1.0, loop.step_tokens - (loop.mixed ? own : 0));  // for prompts
  const double chunks = std::ceil(loop.input / room);
  // Chunks that one group wants to run for each of its decode steps.
  double decoding = loop.mixed ? others * decode_steps / (decode_steps + chunks) : others;
  double wanted = decoding * chunks / decode_steps;
  const double prompts_at_once = std::max(1.0, room / (loop.input / chunks));
  if (loop.mixed && wanted > prompts_at_once) {
    decoding *= prompts_at_once / wanted;
    wanted = prompts_at_once;
  }
  const double wanted_by_all = wanted * loop.groups;
  const double shared =
      loop.mixed ? std::min(1.0, wanted_by_all) : std::max(std::min(1.0, wanted_by_all), wanted / prompts_at_once);
  const double context = loop.input + loop.output / 2;
  const BatchGroup decode{(decoding + 1) * loop.groups, 1, context};
  std::vector<WeightedBatch> steps;
  const double alone = loop.mixed ? 1 - shared : 1;
  if (alone > 0) {
    steps.push_back({alone, {{decode}}});
  }
  if (shared > 0) {
    // A prompt's chunks stand, on average, half of it behind its start.
    const BatchGroup chunk{std::max(1.0, wanted_by_all / shared), loop.input / chunks,
                           loop.input * (chunks - 1) / (2 * chunks)};
    steps.push_back({shared, loop.mixed ? Batch{{decode, chunk}} : Batch{{chunk}}});
  }
  return steps;
}

Seconds closed_loop_tpot(const ClosedLoop& loop, const std::function<Seconds(const Batch&)>& step) {
  Seconds sum;
  for (const WeightedBatch& kind : closed_loop_steps(loop)) {
    sum += step(kind.batch) * kind.weight;
  }
  return sum;
}

}  // namespace moesaic
