#include "sim/chunked_layer_sweep.hpp"

#include <algorithm>
#include <limits>

namespace moesaic {
namespace {

constexpr double kAttentionProducts = 6;  // queries, keys, values, output; scores and values

Seconds full(const LinearFit& fit, double units) { return fit.start + units * fit.slope; }
ChunkedTime chunked(const LinearFit& fit, double units, double kernels = 1) {
  return {kernels * fit.start, units * fit.slope};
}

void add(OverlapSweep& sweep, const MoeLayerTimes& layer, OverlapPolicy baseline, int most_chunks) {
  const Seconds base = best_overlap(layer, baseline, most_chunks).total();
  for (int i = 0; i < kOverlapPolicyCount; ++i) {
    const auto policy = static_cast<OverlapPolicy>(i);
    const OverlapChoice choice = best_overlap(layer, policy, most_chunks);
    const double gain = base / choice.total();
    OverlapGain& all = sweep.gains[static_cast<std::size_t>(i)];
    all.mean += gain;
    all.least = std::min(all.least, gain);
    all.most = std::max(all.most, gain);
    if (policy == OverlapPolicy::fsmoe && choice.forward.chunks != choice.backward.chunks) {
      ++sweep.different_chunks;
    }
  }
  ++sweep.layers;
}

}  // namespace

MoeLayerTimes layer_times(const OverlapFits& fits, const OverlapShape& shape) {
  const double rows = shape.tokens * shape.sent;
  const double elements = rows * shape.hidden;
  const double weights = 4 * shape.hidden * shape.hidden;
  const double products = shape.tokens * (weights + 2 * shape.length * shape.hidden);
  return {.all_to_all = chunked(fits.all_to_all, elements),
          .all_gather = chunked(fits.all_gather, elements),
          .reduce_scatter = chunked(fits.reduce_scatter, elements),
          .experts = chunked(fits.experts, elements * shape.matrices * shape.width, shape.matrices),
          .attention = kAttentionProducts * fits.attention.start + full({{}, fits.attention.slope}, products),
          .gradients = chunked(fits.all_reduce, weights),
          .backward = 2};
}

OverlapSweep sweep_overlap(const OverlapFits& fits, const OverlapGrid& grid, OverlapPolicy baseline, int most_chunks) {
  OverlapSweep sweep;
  sweep.gains.fill({0, std::numeric_limits<double>::infinity(), 0});
  for (const std::int64_t batch : grid.batch) {
    for (const std::int64_t length : grid.length) {
      for (const std::int64_t hidden : grid.hidden) {
        for (const double expansion : grid.expansion) {
          for (const double capacity : grid.capacity) {
            for (const std::int64_t matrices : grid.matrices) {
              const OverlapShape shape{.tokens = static_cast<double>(batch * length),
                                       .length = static_cast<double>(length),
                                       .hidden = static_cast<double>(hidden),
                                       .width = expansion * static_cast<double>(hidden),
                                       .sent = static_cast<double>(grid.top_k) * (capacity > 0 ? capacity : 1),
                                       .matrices = static_cast<double>(matrices)};
              add(sweep, layer_times(fits, shape), baseline, most_chunks);
            }
          }
        }
      }
    }
  }
  for (OverlapGain& gain : sweep.gains) {
    gain.mean /= static_cast<double>(std::max<std::size_t>(1, sweep.layers));
  }
  // Layers that differ in heads only are as fast as each other.
  sweep.layers *= grid.heads.size();
  sweep.different_chunks *= grid.heads.size();
  return sweep;
}

}  // namespace moesaic
