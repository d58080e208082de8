// Caches of experts in device memory, one step after another.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sim/expert_requests.hpp"

namespace moesaic {

/// What stays where there is no room for all. The last three know the future: they are bounds, not policies that could
/// be built.
enum class CachePolicy {
  lru,         ///< the most recently used
  lfu,         ///< the most often used so far; what is rarer than all that is held is not kept
  random,      ///< any
  arc,         ///< adaptive replacement: recency and frequency in shares that ghosts of what was evicted move
  fixed,       ///< the most popular of the whole trace, once they were fetched; nothing else ever
  score,       ///< decayed use, S <- w used + (1 - w) S (HybriMoE, arXiv:2504.05897 Eq. 3, with a use for a score)
  activation,  ///< most used in this request, shallow layers first (MoE-Infinity, arXiv:2401.14361 Algorithm 1)
  segment,     ///< the most used in the next tokens: the oracle of SCH (arXiv:2505.16056)
  belady,      ///< the soonest used again: the most hits of all that keep what they have just fetched
  optimal,     ///< the same, but what was fetched need not be kept: no policy has more hits
};
inline constexpr int kCachePolicyCount = 10;
std::string_view name(CachePolicy policy);
/// Throws UserError that lists the names.
CachePolicy parse_cache_policy(std::string_view text);

struct CacheSettings {
  CachePolicy policy = CachePolicy::lru;
  std::int64_t capacity = 1;       ///< experts of one cache; at least 1
  std::uint64_t seed = 1;          ///< of `random`
  double score_weight = 0.1;       ///< w of `score`, in (0, 1); the paper does not print its own
  std::size_t look_ahead = 16;     ///< rows that `segment` sees, at least 1
  std::size_t request = SIZE_MAX;  ///< rows of a request, for `activation`
  std::int64_t layers = 1;         ///< that the slots are spread over, for `activation`
};

/// A cache that is asked row after row. The experts of a row are wanted at the same time. What is missing is fetched;
/// afterwards the cache holds at most `capacity` of what it held and of the row. Most keep the whole row if it
/// fits; `lfu`, `fixed`, `segment` and `optimal` may drop what they have just used. Starts empty.
class ExpertCache {
 public:
  explicit ExpertCache(const ExpertRequests& requests)
      : requests_(requests), held_(static_cast<std::size_t>(requests.slots), 0) {}
  virtual ~ExpertCache() = default;
  ExpertCache(const ExpertCache&) = delete;
  ExpertCache& operator=(const ExpertCache&) = delete;

  bool holds(std::int32_t expert) const { return held_[static_cast<std::size_t>(expert)] != 0; }
  /// Serves the next row; there must be one. Returns how many of its experts were held.
  virtual std::int64_t serve() = 0;
  /// Takes an expert that was only guessed, before the next row: it evicts as a miss does, and is no use of it.
  virtual void admit(std::int32_t expert) = 0;

 protected:
  const ExpertRequests& requests_;
  std::vector<char> held_;
  std::size_t row_ = 0;
};

/// `requests` must outlive the cache. Takes about 100 ns a request.
std::unique_ptr<ExpertCache> make_expert_cache(const ExpertRequests& requests, const CacheSettings& settings);

/// Caches of all layers of a trace.
struct CacheQuestion {
  CachePolicy policy = CachePolicy::lru;
  double capacity = 2;             ///< experts of a layer, on average over the layers that are not pinned
  bool shared = false;             ///< one pool for all layers, not a cache for each
  std::int64_t pinned_layers = 0;  ///< the first ones, held whole
  std::int64_t batch = 1;          ///< tokens of a step
  std::int64_t warm_up = 0;        ///< tokens at the start that are not counted
  std::uint64_t seed = 1;
  double score_weight = 0.1;
  std::int64_t look_ahead = 16;  ///< tokens that `segment` sees
  std::int64_t request = 0;      ///< tokens of a request; 0: the whole trace
  bool cold = false;             ///< caches start empty with every request, and the warm-up is that of each
};

struct LayerHits {
  std::int64_t requests = 0, hits = 0;
  double rate() const { return requests > 0 ? static_cast<double>(hits) / static_cast<double>(requests) : 1; }
};

struct CacheResult {
  std::vector<LayerHits> layers;
  std::int64_t tokens = 0;  ///< counted
  std::int64_t steps = 0;   ///< counted
  double held_experts = 0;  ///< that there is room for, all layers together
  LayerHits all() const;
  double misses_per_token() const;  ///< all layers together
  double misses_per_step() const;
};

/// A capacity that is no whole number is rounded to whole experts of a layer so that their sum over the layers is
/// right. Throws UserError if the capacity is not in [1, experts], the batch, the
/// pinned layers or the warm-up do not fit the trace, the weight is not in (0, 1).
CacheResult simulate_cache(const RoutingTrace& trace, const CacheQuestion& question);

}  // namespace moesaic
