#include "sim/simulated_hits.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

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

/// Names the placement in what is wrong with its cache.
template <class Ask>
auto asked_of(const HybridDescription& placement, Ask ask) {
  try {
    return ask();
  } catch (const UserError& error) {
    throw UserError("--placement: '" + placement.name + "': experts.cache: " + error.what());
  }
}

}  // namespace

struct HitTable::Traced {
  RoutingTrace trace;
  CacheQuestion question;
};

HitTable::HitTable(HybridDescription placement, const Architecture& architecture, std::string routing)
    : placement_(std::move(placement)), routing_(std::move(routing)) {
  MOESAIC_ASSERT(placement_.cached);
  const CachedLayers layers = cached_layers(placement_, architecture);
  if (layers.count == 0) {
    throw UserError("--placement: '" + placement_.name + "' has a cache of experts; " + printable(architecture.name) +
                    " has no routed experts" + (placement_.device_layers > 0 ? " behind its first layers" : ""));
  }
  layers_ = layers.count;
  experts_ = *layers.first;
}

HitTable::~HitTable() = default;

double HitTable::whole_slots(double share) const {
  constexpr double kRounding = 1e-9;
  const auto experts = static_cast<double>(experts_.experts);
  return std::floor(share * experts + kRounding) / experts;
}

std::shared_ptr<const HitTable::Traced> HitTable::traced(std::int64_t batch) {
  const std::lock_guard hold(lock_);
  std::shared_ptr<const Traced>& known = traced_[batch];
  if (known == nullptr) {
    const CachedExperts& cached = *placement_.cached;
    const Routing routing =
        cached.load_deviation
            ? routing_of_deviation(experts_.experts, experts_.experts_per_token, *cached.load_deviation)
            : Routing::parse(routing_, experts_.experts, experts_.experts_per_token);
    LocalTrace wanted{.layers = cached.shared ? layers_ : std::min(layers_, kAlikeLayers),
                      .tokens = std::max(kTokens, kLeastSteps * batch),
                      .locality = {.repeat = cached.repeat, .document = cached.document}};
    if (cached.segment_performance) {
      wanted.locality = locality_of(*cached.segment_performance, cached.segment, routing, wanted);
    }
    const CacheQuestion question{.policy = parse_cache_policy(cached.policy),
                                 .shared = cached.shared,
                                 .batch = batch,
                                 .warm_up = std::max(kWarmUp, kLeastSteps / 4 * batch),
                                 .request = cached.document};
    known = std::make_shared<const Traced>(Traced{local_trace(routing, wanted), question});
  }
  return known;
}

double HitTable::hits(double share, std::int64_t batch) {
  const std::pair key{batch, share};
  {
    const std::lock_guard hold(lock_);
    if (const auto known = hits_.find(key); known != hits_.end()) {
      return known->second;
    }
  }
  const double found = asked_of(placement_, [&] {
    const std::shared_ptr<const Traced> of = traced(batch);
    CacheQuestion question = of->question;
    question.capacity = share * static_cast<double>(experts_.experts);
    if (!placement_.guesses_kept || placement_.prefetch_accuracy <= 0) {
      return simulate_cache(of->trace, question).all().rate();
    }
    Prefetch prefetch;
    prefetch.accuracy = {placement_.prefetch_accuracy};
    prefetch.extra = std::llround(placement_.prefetch_extra * static_cast<double>(experts_.experts_per_token));
    prefetch.window = INFINITY;
    prefetch.kept = true;
    const PrefetchResult result = simulate_prefetch(of->trace, question, prefetch);
    return static_cast<double>(result.hits) / static_cast<double>(std::max<std::int64_t>(1, result.requests));
  });
  const std::lock_guard hold(lock_);
  return hits_.emplace(key, found).first->second;
}

double simulated_hits(const HybridDescription& placement, const Architecture& architecture, std::int64_t batch,
                      const std::string& routing) {
  return HitTable(placement, architecture, routing).hits(placement.experts_on_device, batch);
}

}  // namespace moesaic
