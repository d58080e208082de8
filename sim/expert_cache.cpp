#include "sim/expert_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/random_words.hpp"
#include "sim/adaptive_cache.hpp"
#include "sim/eviction_order.hpp"

namespace moesaic {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::array<std::string_view, kCachePolicyCount> kCachePolicyNames = {
    "lru", "lfu", "random", "arc", "fixed", "score", "activation", "segment", "belady", "optimal"};

/// Keeps those of the highest priority.
class RankedCache : public ExpertCache {
 public:
  RankedCache(const ExpertRequests& requests, const CacheSettings& settings, bool keeps_row)
      : ExpertCache(requests),
        order_(held_.size()),
        capacity_(static_cast<std::size_t>(settings.capacity)),
        keeps_row_(keeps_row) {}

  std::int64_t serve() override {
    const std::span<const std::int32_t> row = requests_.row(row_);
    prepare(row);
    std::int64_t hits = 0;
    for (const std::int32_t expert : row) {
      if (holds(expert)) {
        ++hits;
        order_.remove(expert);
      }
    }
    while (keeps_row_ && order_.size() > 0 && order_.size() + row.size() > capacity_) {
      evict();
    }
    for (const std::int32_t expert : row) {
      order_.push(expert, priority(expert));
      held_[static_cast<std::size_t>(expert)] = 1;
    }
    while (order_.size() > capacity_) {
      evict();
    }
    ++row_;
    return hits;
  }

  void admit(std::int32_t expert) override {
    if (holds(expert)) {
      return;
    }
    order_.push(expert, guess_priority(expert));
    held_[static_cast<std::size_t>(expert)] = 1;
    while (order_.size() > capacity_) {
      evict();
    }
  }

 protected:
  /// Before a row is served.
  virtual void prepare(std::span<const std::int32_t> row) { static_cast<void>(row); }
  /// Of an expert of this row from now on.
  virtual double priority(std::int32_t expert) = 0;
  /// Of one that was guessed and not used.
  virtual double guess_priority(std::int32_t expert) { return priority(expert); }
  virtual std::int32_t victim() { return order_.least(); }

  EvictionOrder order_;

 private:
  void evict() {
    const std::int32_t expert = victim();
    order_.remove(expert);
    held_[static_cast<std::size_t>(expert)] = 0;
  }

  std::size_t capacity_;
  bool keeps_row_;
};

// Within a row the later ones count as more recent, whatever is held: a larger cache then holds all that a smaller one
// does (Mattson et al. 1970, "Evaluation techniques for storage hierarchies").
class LruCache final : public RankedCache {
 public:
  LruCache(const ExpertRequests& requests, const CacheSettings& settings) : RankedCache(requests, settings, true) {}

 private:
  double priority(std::int32_t) override { return static_cast<double>(++time_); }
  std::int64_t time_ = 0;
};

class LfuCache final : public RankedCache {
 public:
  LfuCache(const ExpertRequests& requests, const CacheSettings& settings)
      : RankedCache(requests, settings, false), uses_(held_.size(), 0) {}

 private:
  // Of equally many uses the more recent wins: a share of a use that stays below one.
  double priority(std::int32_t expert) override {
    return static_cast<double>(++uses_[static_cast<std::size_t>(expert)]) +
           static_cast<double>(row_) / static_cast<double>(requests_.rows());
  }
  double guess_priority(std::int32_t expert) override {
    return static_cast<double>(uses_[static_cast<std::size_t>(expert)]);
  }
  std::vector<std::int64_t> uses_;
};

class RandomCache final : public RankedCache {
 public:
  RandomCache(const ExpertRequests& requests, const CacheSettings& settings)
      : RankedCache(requests, settings, true), draws_(settings.seed, 0, 0) {}

 private:
  double priority(std::int32_t) override { return 0; }
  std::int32_t victim() override { return order_.at(draws_.below(order_.size())); }
  Draws draws_;
};

class FixedCache final : public RankedCache {
 public:
  FixedCache(const ExpertRequests& requests, const CacheSettings& settings)
      : RankedCache(requests, settings, false), uses_(held_.size(), 0) {
    for (const std::int32_t expert : requests.experts) {
      ++uses_[static_cast<std::size_t>(expert)];
    }
  }

 private:
  double priority(std::int32_t expert) override { return static_cast<double>(uses_[static_cast<std::size_t>(expert)]); }
  std::vector<std::int64_t> uses_;
};

// The decay is common to all, so the scores stay as they are and what is added grows instead.
class ScoreCache final : public RankedCache {
 public:
  ScoreCache(const ExpertRequests& requests, const CacheSettings& settings)
      : RankedCache(requests, settings, true), score_(held_.size(), 0), growth_(1 / (1 - settings.score_weight)) {}

 private:
  void prepare(std::span<const std::int32_t>) override {
    constexpr double kLargest = 1e200;
    added_ *= growth_;
    if (added_ > kLargest) {
      for (std::size_t e = 0; e < score_.size(); ++e) {
        score_[e] /= added_;
        const auto expert = static_cast<std::int32_t>(e);
        if (order_.holds(expert)) {
          order_.change(expert, score_[e]);
        }
      }
      added_ = 1;
    }
  }
  double priority(std::int32_t expert) override { return score_[static_cast<std::size_t>(expert)] += added_; }
  double guess_priority(std::int32_t expert) override { return score_[static_cast<std::size_t>(expert)]; }
  std::vector<double> score_;
  double growth_, added_ = 1;
};

// All layers see equally many tokens, so that dividing by a layer's sum changes no order.
class ActivationCache final : public RankedCache {
 public:
  ActivationCache(const ExpertRequests& requests, const CacheSettings& settings)
      : RankedCache(requests, settings, true),
        uses_(held_.size(), kNone),
        request_(settings.request),
        layers_(settings.layers) {}

 private:
  static constexpr double kNone = 1e-3;  // so that layers count before there is any use

  void prepare(std::span<const std::int32_t>) override {
    if (row_ % request_ == 0) {
      for (std::size_t e = 0; e < uses_.size(); ++e) {
        uses_[e] = kNone;
        const auto expert = static_cast<std::int32_t>(e);
        if (order_.holds(expert)) {
          order_.change(expert, weighted(e));
        }
      }
    }
  }
  double weighted(std::size_t expert) const {
    const auto layers = static_cast<double>(layers_);
    const auto layer = std::floor(static_cast<double>(expert) * layers / static_cast<double>(uses_.size()));
    return uses_[expert] * (1 - layer / layers);
  }
  double priority(std::int32_t expert) override {
    uses_[static_cast<std::size_t>(expert)] += 1;
    return weighted(static_cast<std::size_t>(expert));
  }
  double guess_priority(std::int32_t expert) override { return weighted(static_cast<std::size_t>(expert)); }
  std::vector<double> uses_;
  std::size_t request_;
  std::int64_t layers_;
};

class SegmentCache final : public RankedCache {
 public:
  SegmentCache(const ExpertRequests& requests, const CacheSettings& settings)
      : RankedCache(requests, settings, false),
        uses_(held_.size(), 0),
        recent_(held_.size(), 0),
        look_ahead_(settings.look_ahead) {
    for (std::size_t row = 0; row < std::min(look_ahead_, requests.rows()); ++row) {
      count(row, 1);
    }
  }

 private:
  // Then the window holds the rows after this one.
  void prepare(std::span<const std::int32_t> row) override {
    for (const std::int32_t expert : row) {
      recent_[static_cast<std::size_t>(expert)] = static_cast<double>(row_) / static_cast<double>(requests_.rows());
    }
    count(row_, -1);
    if (row_ + look_ahead_ < requests_.rows()) {
      count(row_ + look_ahead_, 1);
    }
  }
  void count(std::size_t row, int change) {
    for (const std::int32_t expert : requests_.row(row)) {
      uses_[static_cast<std::size_t>(expert)] += change;
      if (order_.holds(expert)) {
        order_.change(expert, priority(expert));
      }
    }
  }
  // Of equally many uses the one used more recently stays.
  double priority(std::int32_t expert) override {
    return uses_[static_cast<std::size_t>(expert)] + recent_[static_cast<std::size_t>(expert)];
  }
  std::vector<double> uses_, recent_;
  std::size_t look_ahead_;
};

// Belady 1966, "A study of replacement algorithms".
class BeladyCache final : public RankedCache {
 public:
  BeladyCache(const ExpertRequests& requests, const CacheSettings& settings, bool keeps_row)
      : RankedCache(requests, settings, keeps_row), next_(requests.experts.size()), soonest_(held_.size(), -kInfinity) {
    for (std::size_t row = requests.rows(); row-- > 0;) {
      for (std::size_t i = requests.first[row]; i < requests.first[row + 1]; ++i) {
        double& soonest = soonest_[static_cast<std::size_t>(requests.experts[i])];
        next_[i] = soonest;
        soonest = -static_cast<double>(row);
      }
    }
  }

 private:
  void prepare(std::span<const std::int32_t> row) override {
    for (std::size_t i = 0; i < row.size(); ++i) {
      soonest_[static_cast<std::size_t>(row[i])] = next_[requests_.first[row_] + i];
    }
  }
  double priority(std::int32_t expert) override { return soonest_[static_cast<std::size_t>(expert)]; }
  std::vector<double> next_;     // of every request: minus the row of the next one for its expert
  std::vector<double> soonest_;  // of every expert, after this row
};

}  // namespace

std::string_view name(CachePolicy policy) { return kCachePolicyNames.at(static_cast<std::size_t>(policy)); }

CachePolicy parse_cache_policy(std::string_view text) {
  const auto* found = std::find(kCachePolicyNames.begin(), kCachePolicyNames.end(), text);
  if (found == kCachePolicyNames.end()) {
    const std::vector<std::string> names(kCachePolicyNames.begin(), kCachePolicyNames.end());
    throw UserError(fmt::format("unknown policy '{}'{}", printable(text), suggest(text, names)));
  }
  return static_cast<CachePolicy>(found - kCachePolicyNames.begin());
}

std::unique_ptr<ExpertCache> make_expert_cache(const ExpertRequests& requests, const CacheSettings& settings) {
  MOESAIC_ASSERT(settings.capacity >= 1 && settings.score_weight > 0 && settings.score_weight < 1 &&
                 settings.look_ahead >= 1 && settings.request >= 1 && settings.layers >= 1);
  switch (settings.policy) {
    case CachePolicy::lru:
      return std::make_unique<LruCache>(requests, settings);
    case CachePolicy::lfu:
      return std::make_unique<LfuCache>(requests, settings);
    case CachePolicy::random:
      return std::make_unique<RandomCache>(requests, settings);
    case CachePolicy::arc:
      return make_adaptive_cache(requests, settings.capacity);
    case CachePolicy::fixed:
      return std::make_unique<FixedCache>(requests, settings);
    case CachePolicy::score:
      return std::make_unique<ScoreCache>(requests, settings);
    case CachePolicy::activation:
      return std::make_unique<ActivationCache>(requests, settings);
    case CachePolicy::segment:
      return std::make_unique<SegmentCache>(requests, settings);
    case CachePolicy::belady:
      return std::make_unique<BeladyCache>(requests, settings, true);
    case CachePolicy::optimal:
      return std::make_unique<BeladyCache>(requests, settings, false);
  }
  MOESAIC_ASSERT(false);
  return nullptr;
}

}  // namespace moesaic
