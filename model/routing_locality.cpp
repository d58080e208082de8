#include "model/routing_locality.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "model/local_routing.hpp"
#include "model/random_words.hpp"

namespace moesaic {
namespace {

constexpr double kMostPreference = 20;
constexpr int kMostRejections = 32;
constexpr std::uint32_t kOrders = 0x80000000U, kDocuments = 0x40000000U;  // apart from the layers of tokens

double normal(Draws& draws) { return std::sqrt(2.0) * boost::math::erfc_inv(2 * (draws.word() + 0.5) * 0x1p-32); }

/// Draws experts by weight without replacement.
class WeightedDraw {
 public:
  explicit WeightedDraw(std::vector<double> weights) : weights_(std::move(weights)), sums_(weights_.size()) {
    std::partial_sum(weights_.begin(), weights_.end(), sums_.begin());
  }

  /// Fills up `chosen` from its `kept` first ones; `taken` holds 1 for those and for no other expert.
  void fill(Draws& draws, std::span<std::int32_t> chosen, std::size_t kept, std::vector<char>& taken) const {
    for (std::size_t i = kept; i < chosen.size(); ++i) {
      const std::size_t expert = next(draws, taken);
      taken[expert] = 1;
      chosen[i] = static_cast<std::int32_t>(expert);
    }
  }

 private:
  std::size_t next(Draws& draws, const std::vector<char>& taken) const {
    for (int i = 0; i < kMostRejections; ++i) {
      const double at = (draws.word() + 0.5) * 0x1p-32 * sums_.back();
      const auto expert = static_cast<std::size_t>(std::upper_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
      if (expert < taken.size() && taken[expert] == 0) {
        return expert;
      }
    }
    double left = 0;
    for (std::size_t e = 0; e < taken.size(); ++e) {
      left += taken[e] == 0 ? weights_[e] : 0;
    }
    left *= (draws.word() + 0.5) * 0x1p-32;
    std::size_t last = 0;
    for (std::size_t e = 0; e < taken.size(); ++e) {
      if (taken[e] == 0 && weights_[e] > 0) {
        last = e;
        left -= weights_[e];
        if (left < 0) {
          break;
        }
      }
    }
    return last;
  }

  std::vector<double> weights_, sums_;
};

/// Popularity with the largest 1, in an order of the layer's own. Experts that are always chosen outweigh all others.
std::vector<double> layer_weights(const Routing& routing, std::uint64_t seed, std::uint32_t layer) {
  std::vector<double> weights(routing.popularity().begin(), routing.popularity().end());
  double largest = 0;
  for (const double weight : weights) {
    largest = std::isinf(weight) ? largest : std::max(largest, weight);
  }
  for (double& weight : weights) {
    weight = std::isinf(weight) ? 1e12 : weight / (largest > 0 ? largest : 1);
  }
  Draws draws(seed, kOrders + layer, 0);
  for (std::size_t i = weights.size(); i > 1; --i) {
    std::swap(weights[i - 1], weights[draws.below(i)]);
  }
  return weights;
}

WeightedDraw document_draw(std::vector<double> weights, double preference, Draws draws) {
  for (double& weight : weights) {
    weight *= preference > 0 ? std::exp(preference * normal(draws)) : 1;
  }
  return WeightedDraw(std::move(weights));
}

void check(const LocalTrace& wanted) {
  const auto chance = [](const char* what, double value) {
    if (!(value >= 0 && value <= 1)) {
      throw UserError(fmt::format("{} {}: allowed are 0 to 1", what, value));
    }
  };
  chance("repeat", wanted.locality.repeat);
  chance("layer copy", wanted.locality.layer_copy);
  if (!(wanted.locality.preference >= 0 && wanted.locality.preference <= kMostPreference)) {
    throw UserError(fmt::format("preference {}: allowed are 0 to {}", wanted.locality.preference, kMostPreference));
  }
  if (wanted.layers < 1 || wanted.tokens < 1 || wanted.locality.document < 0 || wanted.tokens > (1LL << 30)) {
    throw UserError(fmt::format("{} layers, {} tokens, documents of {}: allowed are at least 1 (documents: 0 for one)",
                                wanted.layers, wanted.tokens, wanted.locality.document));
  }
}

}  // namespace

RoutingTrace local_trace(const Routing& routing, const LocalTrace& wanted) {
  check(wanted);
  const Locality& locality = wanted.locality;
  const auto top_k = static_cast<std::size_t>(routing.top_k());
  RoutingTrace trace{routing.experts(), routing.top_k(), {}, "synthetic"};
  std::vector<char> taken(static_cast<std::size_t>(routing.experts()), 0);
  for (std::uint32_t layer = 0; layer < static_cast<std::uint32_t>(wanted.layers); ++layer) {
    const std::vector<double> weights = layer_weights(routing, wanted.seed, layer);
    std::vector<std::int32_t> chosen(top_k * static_cast<std::size_t>(wanted.tokens));
    WeightedDraw document({1});
    for (std::int64_t token = 0; token < wanted.tokens; ++token) {
      const bool starts = token == 0 || (locality.document > 0 && token % locality.document == 0);
      if (starts) {
        const std::int64_t number = locality.document > 0 ? token / locality.document : 0;
        document = document_draw(weights, locality.preference,
                                 Draws(wanted.seed, kDocuments + layer, static_cast<std::uint32_t>(number)));
      }
      Draws draws(wanted.seed, layer, static_cast<std::uint32_t>(token));
      const std::span<std::int32_t> mine(chosen.data() + static_cast<std::size_t>(token) * top_k, top_k);
      if (layer > 0 && draws.word() * 0x1p-32 < locality.layer_copy) {
        const auto above = trace.chosen(layer - 1, token);
        std::copy(above.begin(), above.end(), mine.begin());
        continue;
      }
      std::size_t kept = 0;
      for (std::size_t i = 0; !starts && locality.repeat > 0 && i < top_k; ++i) {
        const std::int32_t before = chosen[(static_cast<std::size_t>(token) - 1) * top_k + i];
        if (draws.word() * 0x1p-32 < locality.repeat) {
          mine[kept++] = before;
          taken[static_cast<std::size_t>(before)] = 1;
        }
      }
      document.fill(draws, mine, kept, taken);
      for (const std::int32_t expert : mine) {
        taken[static_cast<std::size_t>(expert)] = 0;
      }
    }
    trace.layers.push_back(std::move(chosen));
  }
  return trace;
}

Locality locality_of(double segment_performance, std::int64_t segment, const Routing& routing,
                     const LocalTrace& wanted) {
  constexpr std::int64_t kTokens = 8192, kLayers = 2, kDocumentsAtLeast = 32;
  constexpr double kTolerance = 0.0005;
  LocalTrace trial = wanted;
  trial.layers = std::min(kLayers, wanted.layers);
  trial.tokens = std::max(kTokens, kDocumentsAtLeast * wanted.locality.document);
  const bool documents = wanted.locality.document > 0;
  double& value = documents ? trial.locality.preference : trial.locality.repeat;
  const auto performance = [&](double at) {
    value = at;
    return segment_routing(local_trace(routing, trial), segment, wanted.locality.document).performance;
  };
  double low = 0, high = documents ? kMostPreference : 1;
  const double least = performance(low), most = performance(high);
  if (!(segment_performance >= least - kTolerance && segment_performance <= most + kTolerance)) {
    throw UserError(fmt::format("srp={}@{}: with this routing {:.3f} to {:.3f} can be had", segment_performance,
                                segment, least, most));
  }
  for (int i = 0; i < 30; ++i) {
    const double middle = (low + high) / 2, there = performance(middle);
    if (std::abs(there - segment_performance) < kTolerance) {
      break;
    }
    (there < segment_performance ? low : high) = middle;
  }
  return trial.locality;
}

Routing routing_of_deviation(std::int64_t experts, std::int64_t top_k, double deviation) {
  const double mean = static_cast<double>(top_k) / static_cast<double>(experts);
  const double most = std::sqrt(mean * (1 - mean));
  if (!(deviation >= 0 && deviation < most)) {
    throw UserError(fmt::format("load deviation {}: allowed are 0 to below {:.4f}, where {} of {} experts have all",
                                deviation, most, top_k, experts));
  }
  if (deviation == 0) {
    return Routing::uniform(experts, top_k);
  }
  const auto at = [&](double width) {
    std::vector<double> popularity(static_cast<std::size_t>(experts));
    for (std::size_t i = 0; i < popularity.size(); ++i) {
      const double below = (static_cast<double>(i) + 0.5) / static_cast<double>(experts);
      popularity[i] = std::exp(-width * std::sqrt(2.0) * boost::math::erfc_inv(2 * below));
    }
    return Routing::histogram(top_k, std::move(popularity));
  };
  const auto spread = [&](const Routing& routing) {
    double squares = 0;
    for (const double share : routing.inclusion()) {
      squares += (share - mean) * (share - mean);
    }
    return std::sqrt(squares / static_cast<double>(experts));
  };
  double low = 0, high = kMostPreference;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (spread(at(middle)) < deviation ? low : high) = middle;
  }
  return at(low);
}

}  // namespace moesaic
