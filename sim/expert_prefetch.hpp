// Prefetching experts behind the compute of the layers before: what is there in time, and what is fetched in vain.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/expert_cache.hpp"

namespace moesaic {

/// Any predictor as what it gets right: a gate asked a layer ahead has one accuracy, a path predictor one per layer.
struct Prefetch {
  /// Chance that an expert of the layer 1, 2, ... further on is guessed. For every needed expert that it misses it
  /// names a wrong one, any. Empty: nothing is prefetched.
  std::vector<double> accuracy;
  std::int64_t extra = 0;  ///< guesses beyond as many as are needed, any of those left
  double window = 1;       ///< experts that can be fetched while a layer computes
  std::uint64_t seed = 1;
  /// Guesses take slots of the cache when their layer comes, right or wrong; else they arrive in buffers beside it.
  bool kept = false;
};

struct PrefetchResult {
  std::int64_t requests = 0;  ///< of layers that are not pinned
  std::int64_t hits = 0;      ///< held by the cache
  std::int64_t in_time = 0;   ///< missing there, but prefetched
  std::int64_t fetched = 0;   ///< prefetched
  std::int64_t steps = 0;
  std::int64_t wasted() const { return fetched - in_time; }
  std::int64_t late() const { return requests - hits - in_time; }
  /// Held or in time.
  double rate() const { return requests > 0 ? static_cast<double>(hits + in_time) / static_cast<double>(requests) : 1; }
};

/// Guesses for the nearest layer go first, those of one layer in any order; what a layer's time does not suffice for is
/// not fetched, and a transfer may go on into the next layer. Unless they are kept, guesses arrive in buffers beside
/// the cache: those that are needed enter the cache as any miss does, the others are dropped when their layer is done,
/// so that a wrong guess costs its transfer and evicts nothing. Pinned layers fetch nothing for themselves, but for
/// those after them. No guess reaches into the next token. Throws UserError as simulate_cache does, and unless
/// accuracies are in [0, 1], extra is 0 to the experts and the window is not negative.
PrefetchResult simulate_prefetch(const RoutingTrace& trace, const CacheQuestion& question, const Prefetch& prefetch);

/// Share of the needed experts that are guessed and fetched in time if none is held, one layer ahead:
/// (a + (1 - a) x / (E - n)) min(1, w / (n + x)) for n needed of E experts. A guess that the predictor missed is among
/// the x extra ones, drawn from the E - n experts not guessed yet; of n + x guesses in any order w arrive. Exact for
/// whole w.
double expected_in_time(std::int64_t experts, std::int64_t needed, double accuracy, std::int64_t extra, double window);

}  // namespace moesaic
