#include "sim/expert_prefetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "model/random_words.hpp"
#include "sim/cached_layers.hpp"

namespace moesaic {
namespace {

void check(const RoutingTrace& trace, const Prefetch& prefetch) {
  for (const double accuracy : prefetch.accuracy) {
    if (!(accuracy >= 0 && accuracy <= 1)) {
      throw UserError(fmt::format("prefetch accuracy {}: allowed are 0 to 1", accuracy));
    }
  }
  if (prefetch.extra < 0 || prefetch.extra > trace.experts) {
    throw UserError(
        fmt::format("{} extra guesses: allowed are 0 to {}, the experts of a layer", prefetch.extra, trace.experts));
  }
  if (!(prefetch.window >= 0)) {
    throw UserError(fmt::format("prefetch window of {} experts: allowed is 0 and more", prefetch.window));
  }
}

/// Guesses of the experts of one layer, and what of them has arrived.
class Guesser {
 public:
  Guesser(std::int64_t experts, std::int64_t extra)
      : mark_(static_cast<std::size_t>(experts), 0), extra_(static_cast<std::size_t>(extra)) {}

  /// In any order.
  void guess(std::span<const std::int32_t> needed, std::int32_t offset, double accuracy, Draws& draws,
             std::vector<std::int32_t>& guesses) {
    guesses.clear();
    std::fill(mark_.begin(), mark_.end(), 0);
    for (const std::int32_t slot : needed) {
      mark_[static_cast<std::size_t>(slot - offset)] = 1;
      if (draws.word() * 0x1p-32 < accuracy) {
        guesses.push_back(slot);
      }
    }
    free_.clear();
    for (std::size_t e = 0; e < mark_.size(); ++e) {
      if (mark_[e] == 0) {
        free_.push_back(static_cast<std::int32_t>(e) + offset);
      }
    }
    const std::size_t right = guesses.size();
    take(needed.size() - right, draws, guesses);
    for (const std::int32_t slot : needed) {
      if (std::find(guesses.begin(), guesses.begin() + static_cast<std::ptrdiff_t>(right), slot) ==
          guesses.begin() + static_cast<std::ptrdiff_t>(right)) {
        free_.push_back(slot);
      }
    }
    take(extra_, draws, guesses);
    for (std::size_t i = guesses.size(); i > 1; --i) {
      std::swap(guesses[i - 1], guesses[draws.below(i)]);
    }
  }

 private:
  void take(std::size_t count, Draws& draws, std::vector<std::int32_t>& guesses) {
    for (; count > 0 && !free_.empty(); --count) {
      std::swap(free_[draws.below(free_.size())], free_.back());
      guesses.push_back(free_.back());
      free_.pop_back();
    }
  }

  std::vector<char> mark_;
  std::vector<std::int32_t> free_;
  std::size_t extra_;
};

/// The caches of the layers that are not pinned, whether each has its own or all share one.
class LayerCaches {
 public:
  LayerCaches(const RoutingTrace& trace, const CacheQuestion& question)
      : shared_(question.shared), layers_(trace.layers.size() - static_cast<std::size_t>(question.pinned_layers)) {
    const auto pinned = static_cast<std::size_t>(question.pinned_layers);
    experts_ = trace.experts;
    if (layers_ == 0) {
      return;
    }
    if (shared_) {
      requests_.push_back(shared_requests(trace, pinned, question.batch));
      caches_.push_back(make_expert_cache(requests_.front(), shared_settings(trace, question)));
      return;
    }
    const std::vector<CacheSettings> settings = layer_settings(trace, question);
    requests_.reserve(layers_);  // caches refer to their elements
    for (std::size_t i = 0; i < layers_; ++i) {
      requests_.push_back(layer_requests(trace, pinned + i, question.batch));
      caches_.push_back(make_expert_cache(requests_.back(), settings[i]));
    }
  }

  std::size_t layers() const { return layers_; }
  ExpertCache& cache(std::size_t layer) { return *caches_[shared_ ? 0 : layer]; }
  std::int32_t offset(std::size_t layer) const {
    return shared_ ? static_cast<std::int32_t>(layer) * static_cast<std::int32_t>(experts_) : 0;
  }
  std::span<const std::int32_t> row(std::size_t step, std::size_t layer) const {
    return shared_ ? requests_.front().row(step * layers_ + layer) : requests_[layer].row(step);
  }

 private:
  bool shared_;
  std::size_t layers_;
  std::int64_t experts_ = 0;
  std::vector<ExpertRequests> requests_;
  std::vector<std::unique_ptr<ExpertCache>> caches_;
};

}  // namespace

PrefetchResult simulate_prefetch(const RoutingTrace& trace, const CacheQuestion& question, const Prefetch& prefetch) {
  check(trace, prefetch);
  const CacheSpan span = check_cache(trace, question);
  if (question.cold) {
    throw UserError("prefetching goes on through all requests: leave out the cold start of each");
  }
  LayerCaches caches(trace, question);
  const std::size_t layers = caches.layers(), depth = prefetch.accuracy.size();
  const auto pinned = static_cast<std::size_t>(question.pinned_layers);
  Guesser guesser(trace.experts, prefetch.extra);
  std::vector<std::vector<std::int32_t>> arrived(layers);
  std::vector<std::int32_t> guesses;
  PrefetchResult result;
  result.steps = span.steps - span.skipped;
  double credit = 0;
  for (std::int64_t step = 0; step < span.steps; ++step) {
    const bool counts = step >= span.skipped;
    const auto at = static_cast<std::size_t>(step);
    for (std::size_t i = 0; i < pinned + layers; ++i) {
      if (i >= pinned) {
        const std::size_t layer = i - pinned;
        const std::span<const std::int32_t> row = caches.row(at, layer);
        ExpertCache& cache = caches.cache(layer);
        std::int64_t in_time = 0;
        for (const std::int32_t slot : arrived[layer]) {
          in_time += std::find(row.begin(), row.end(), slot) != row.end() && !cache.holds(slot) ? 1 : 0;
        }
        const auto fetched = static_cast<std::int64_t>(arrived[layer].size());
        for (const std::int32_t slot : prefetch.kept ? arrived[layer] : std::vector<std::int32_t>{}) {
          cache.admit(slot);
        }
        arrived[layer].clear();
        // What had been held and what was admitted in time are told apart by the count before.
        const std::int64_t found = cache.serve();
        const std::int64_t hits = prefetch.kept ? std::max<std::int64_t>(0, found - in_time) : found;
        if (counts) {
          result.requests += static_cast<std::int64_t>(row.size());
          result.hits += hits;
          result.in_time += in_time;
          result.fetched += fetched;
        }
      }
      credit += prefetch.window;
      const std::size_t end = std::min(i + depth + 1, pinned + layers);
      for (std::size_t ahead = std::max(i + 1, pinned); ahead < end; ++ahead) {
        const std::size_t target = ahead - pinned;
        Draws draws(prefetch.seed, static_cast<std::uint32_t>(i * depth + ahead - i), static_cast<std::uint32_t>(step));
        guesser.guess(caches.row(at, target), caches.offset(target), prefetch.accuracy[ahead - i - 1], draws, guesses);
        for (const std::int32_t slot : guesses) {
          std::vector<std::int32_t>& there = arrived[target];
          if (caches.cache(target).holds(slot) || std::find(there.begin(), there.end(), slot) != there.end()) {
            continue;
          }
          if (credit < 1) {
            break;
          }
          credit -= 1;
          there.push_back(slot);
        }
      }
      credit = credit < 1 ? credit : 0;  // the link was idle: nothing was left to fetch
    }
  }
  return result;
}

double expected_in_time(std::int64_t experts, std::int64_t needed, double accuracy, std::int64_t extra, double window) {
  const auto all = static_cast<double>(experts), n = static_cast<double>(needed);
  const double more = std::min(static_cast<double>(extra), all - n);
  const double guessed = accuracy + (all > n ? (1 - accuracy) * more / (all - n) : 0);
  return guessed * std::min(1.0, window / (n + more));
}

}  // namespace moesaic
