// What people read of expert caches over a trace.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.hpp"
#include "model/local_routing.hpp"
#include "model/routing_locality.hpp"
#include "reports/report.hpp"
#include "sim/expert_batching.hpp"
#include "sim/expert_cache.hpp"
#include "sim/expert_prefetch.hpp"

namespace moesaic {

struct CacheReport {
  struct Row {
    std::string capacity;  ///< as it was asked for
    double experts = 0;    ///< of a layer
    CachePolicy policy = CachePolicy::lru;
    CacheResult cache;
    std::optional<PrefetchResult> prefetch;
  };
  std::string what;     ///< the model, or what stands for one
  std::string routing;  ///< as the report calls it
  std::int64_t experts = 0, top_k = 0, layers = 0, tokens = 0, batch = 1;
  std::optional<Locality> locality;  ///< what the trace was made with; a recorded one has none
  std::int64_t segment = 16;         ///< m of SRP(m)
  SegmentRouting segments;
  RoutingLocality measured;
  Bytes expert{};  ///< weights of one; zero where no model was named
  std::vector<Row> rows;
  std::optional<std::array<double, kBatchOrderCount>> batching;
};

std::string cache_text(const CacheReport& report, const TextStyle& style);
/// The contract of configs/schema/cache.json.
std::string cache_json(const CacheReport& report);

}  // namespace moesaic
