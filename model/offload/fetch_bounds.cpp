#include "model/offload/fetch_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/error.hpp"

namespace moesaic {

double expected_distinct_experts(double experts, double per_token, double tokens) {
  return experts * (1 - std::pow(1 - per_token / experts, tokens));
}

Seconds pass_time(const FetchedBlocks& blocks, ExpertFetch fetch) {
  const Seconds computing = blocks.other + blocks.gate + blocks.experts;
  const Seconds chosen = blocks.chosen * blocks.expert / blocks.link;
  switch (fetch) {
    case ExpertFetch::resident:
      return blocks.blocks * computing;
    case ExpertFetch::on_demand:
      return blocks.blocks * (computing + chosen);
    case ExpertFetch::pre_gated:
      return computing + chosen + (blocks.blocks - 1) * std::max(computing, chosen);
    case ExpertFetch::all_in_advance:
      return blocks.blocks * std::max(computing, blocks.held * blocks.expert / blocks.link);
  }
  MOESAIC_ASSERT(false);
  return {};
}

Bytes peak_weights(const FetchedBlocks& blocks, ExpertFetch fetch) {
  const double neighbours = std::min(2.0, blocks.blocks);
  const double held = fetch == ExpertFetch::resident    ? blocks.held * blocks.blocks
                      : fetch == ExpertFetch::on_demand ? blocks.chosen
                      : fetch == ExpertFetch::pre_gated ? blocks.chosen * neighbours
                                                        : blocks.held * neighbours;
  return blocks.other_weights + held * blocks.expert;
}

Seconds ring_time(const Ring& ring, std::int64_t passes) {
  MOESAIC_ASSERT(ring.layers > 0 && ring.slots > 0 && passes > 0);
  const bool whole = ring.slots >= ring.layers;
  const std::int64_t loads = whole ? ring.layers : ring.layers * passes;
  std::deque<Seconds> done;  // of the last `slots` layers: their slots are free from then on
  Seconds loaded, finished;
  for (std::int64_t i = 0; i < ring.layers * passes; ++i) {
    if (i < loads) {
      if (static_cast<std::int64_t>(done.size()) == ring.slots && !whole) {
        loaded = std::max(loaded, done.front());
        done.pop_front();
      }
      loaded += ring.load;
      finished = std::max(finished, loaded);
    }
    finished += ring.compute;
    done.push_back(finished);
  }
  return finished;
}

Seconds ring_layer_time(const Ring& ring) {
  if (ring.slots >= ring.layers) {
    return ring.compute;
  }
  return ring.slots == 1 ? ring.load + ring.compute : std::max(ring.load, ring.compute);
}

Seconds split_time(const AttentionSplit& split, double share) {
  return std::max(share * split.cpu, (1 - share) * (split.copy + split.gpu));
}

double best_split(const AttentionSplit& split) {
  const Seconds gpu = split.copy + split.gpu, both = gpu + split.cpu;
  return both > Seconds{} ? gpu / both : 0;
}

Seconds pipelined_layer_time(const LayerWork& work) {
  return std::max({work.gpu, work.cpu, work.to_gpu / work.link, work.to_cpu / work.link,
                   (work.cpu_traffic + work.to_gpu + work.to_cpu) / work.cpu_bandwidth});
}

Seconds token_time(const ExpertMisses& misses) {
  const Seconds fetch = (1 - misses.hit) * misses.per_token * misses.expert / misses.link;
  return misses.resident + misses.layers * std::max(Seconds{}, fetch - misses.window);
}

}  // namespace moesaic
