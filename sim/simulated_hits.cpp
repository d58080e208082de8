#include "sim/simulated_hits.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "model/routing.hpp"
#include "model/routing_locality.hpp"
#include "sim/expert_prefetch.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kAlikeLayers = 8;
constexpr std::int64_t kTokens = 4096, kWarmUp = 512;
constexpr std::int64_t kLeastSteps = 64;

/// Layers with experts that are not wholly on the device, and the first of them.
struct CachedLayers {
  std::int64_t count = 0;
  const MoeFeedForward* first = nullptr;
};

CachedLayers cached_layers(const HybridDescription& placement, const Architecture& architecture) {
  CachedLayers found;
  for (std::int64_t i = placement.device_layers; i < architecture.layer_count(); ++i) {
    const auto& feed_forward = architecture.layer(static_cast<std::size_t>(i)).feed_forward;
    if (const auto* moe = std::get_if<MoeFeedForward>(&feed_forward)) {
      found.first = found.first == nullptr ? moe : found.first;
      ++found.count;
    }
  }
  return found;
}

double hits_of(const HybridDescription& placement, const CachedLayers& layers, std::int64_t batch,
               const std::string& routing_text) {
  const CachedExperts& cached = *placement.cached;
  const std::int64_t experts = layers.first->experts, top_k = layers.first->experts_per_token;
  const Routing routing = cached.load_deviation ? routing_of_deviation(experts, top_k, *cached.load_deviation)
                                                : Routing::parse(routing_text, experts, top_k);
  LocalTrace wanted{.layers = cached.shared ? layers.count : std::min(layers.count, kAlikeLayers),
                    .tokens = std::max(kTokens, kLeastSteps * batch),
                    .locality = {.repeat = cached.repeat, .document = cached.document}};
  if (cached.segment_performance) {
    wanted.locality = locality_of(*cached.segment_performance, cached.segment, routing, wanted);
  }
  const RoutingTrace trace = local_trace(routing, wanted);
  const CacheQuestion question{.policy = parse_cache_policy(cached.policy),
                               .capacity = placement.experts_on_device * static_cast<double>(experts),
                               .shared = cached.shared,
                               .batch = batch,
                               .warm_up = std::max(kWarmUp, kLeastSteps / 4 * batch),
                               .request = cached.document};
  if (!placement.guesses_kept || placement.prefetch_accuracy <= 0) {
    return simulate_cache(trace, question).all().rate();
  }
  Prefetch prefetch;
  prefetch.accuracy = {placement.prefetch_accuracy};
  prefetch.extra = std::llround(placement.prefetch_extra * static_cast<double>(top_k));
  prefetch.window = INFINITY;
  prefetch.kept = true;
  const PrefetchResult result = simulate_prefetch(trace, question, prefetch);
  return static_cast<double>(result.hits) / static_cast<double>(std::max<std::int64_t>(1, result.requests));
}

}  // namespace

double simulated_hits(const HybridDescription& placement, const Architecture& architecture, std::int64_t batch,
                      const std::string& routing) {
  MOESAIC_ASSERT(placement.cached);
  const CachedLayers layers = cached_layers(placement, architecture);
  if (layers.count == 0) {
    throw UserError("--placement: '" + placement.name + "' has a cache of experts; " + printable(architecture.name) +
                    " has no routed experts" + (placement.device_layers > 0 ? " behind its first layers" : ""));
  }
  try {
    return hits_of(placement, layers, batch, routing);
  } catch (const UserError& error) {
    throw UserError("--placement: '" + placement.name + "': experts.cache: " + error.what());
  }
}

}  // namespace moesaic
