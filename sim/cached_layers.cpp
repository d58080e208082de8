// Caches of all layers of a trace.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "sim/cached_layers.hpp"

namespace moesaic {
namespace {

void check(const RoutingTrace& trace, const CacheQuestion& question) {
  const auto layers = static_cast<std::int64_t>(trace.layers.size());
  if (!(question.capacity >= 1 && question.capacity <= static_cast<double>(trace.experts))) {
    throw UserError(fmt::format("capacity of {} experts a layer: allowed are 1 to {}, the experts of a layer",
                                question.capacity, trace.experts));
  }
  if (question.batch < 1 || question.batch > trace.tokens()) {
    throw UserError(fmt::format("batch of {} tokens: allowed are 1 to {}, the tokens of the trace", question.batch,
                                trace.tokens()));
  }
  if (question.pinned_layers < 0 || question.pinned_layers > layers) {
    throw UserError(
        fmt::format("{} pinned layers: allowed are 0 to {}, the layers with experts", question.pinned_layers, layers));
  }
  if (question.warm_up < 0 || question.warm_up >= trace.tokens()) {
    throw UserError(fmt::format("warm-up of {} tokens: allowed are 0 to {}, fewer than the tokens of the trace",
                                question.warm_up, trace.tokens() - 1));
  }
  if (!(question.score_weight > 0 && question.score_weight < 1)) {
    throw UserError(fmt::format("score weight {}: allowed is what is above 0 and below 1", question.score_weight));
  }
  if (question.cold && question.request > 0 &&
      std::max(question.batch, question.warm_up + 1) > std::min(question.request, trace.tokens())) {
    throw UserError(
        fmt::format("batch of {} and warm-up of {} tokens: caches that start with every request need "
                    "requests that are longer, and theirs have {}",
                    question.batch, question.warm_up, std::min(question.request, trace.tokens())));
  }
  if (question.look_ahead < 1 || question.request < 0) {
    throw UserError(fmt::format("look-ahead of {} tokens, requests of {}: allowed are at least 1 (requests: 0 for one)",
                                question.look_ahead, question.request));
  }
}

CacheSettings settings_of(const CacheQuestion& question, std::int64_t layers) {
  const auto rows = [&](std::int64_t tokens) {
    const std::int64_t steps = std::max<std::int64_t>(1, tokens / question.batch);
    return static_cast<std::size_t>(steps * layers);
  };
  return {.policy = question.policy,
          .seed = question.seed,
          .score_weight = question.score_weight,
          .look_ahead = rows(question.look_ahead),
          .request = question.request > 0 ? rows(question.request) : SIZE_MAX,
          .layers = layers};
}

double room_of(const RoutingTrace& trace, const CacheQuestion& question) {
  const auto free = static_cast<double>(trace.layers.size()) - static_cast<double>(question.pinned_layers);
  return std::floor(question.capacity * free + 1e-6);
}

/// Serves all rows; those of the steps from `counted` on count. Row r is of layer first + r % layers.
void serve_all(const ExpertRequests& requests, const CacheSettings& settings, std::size_t counted,
               std::span<LayerHits> layers) {
  const auto cache = make_expert_cache(requests, settings);
  for (std::size_t row = 0; row < requests.rows(); ++row) {
    const std::int64_t hits = cache->serve();
    if (row / layers.size() >= counted) {
      LayerHits& layer = layers[row % layers.size()];
      layer.requests += static_cast<std::int64_t>(requests.row(row).size());
      layer.hits += hits;
    }
  }
}

}  // namespace

LayerHits CacheResult::all() const {
  LayerHits sum;
  for (const LayerHits& layer : layers) {
    sum.requests += layer.requests;
    sum.hits += layer.hits;
  }
  return sum;
}

double CacheResult::misses_per_token() const {
  const LayerHits sum = all();
  return static_cast<double>(sum.requests - sum.hits) / static_cast<double>(tokens);
}

double CacheResult::misses_per_step() const {
  const LayerHits sum = all();
  return static_cast<double>(sum.requests - sum.hits) / static_cast<double>(steps);
}

CacheSpan check_cache(const RoutingTrace& trace, const CacheQuestion& question) {
  check(trace, question);
  const CacheSpan span{(trace.tokens() + question.batch - 1) / question.batch,
                       (question.warm_up + question.batch - 1) / question.batch};
  if (span.skipped >= span.steps) {
    throw UserError(fmt::format("warm-up of {} tokens: no whole step of {} tokens is left after it", question.warm_up,
                                question.batch));
  }
  return span;
}

std::vector<CacheSettings> layer_settings(const RoutingTrace& trace, const CacheQuestion& question) {
  const std::size_t free = trace.layers.size() - static_cast<std::size_t>(question.pinned_layers);
  std::vector<CacheSettings> result(free, settings_of(question, 1));
  std::int64_t given = 0;
  for (std::size_t i = 0; i < free; ++i) {
    const auto until = static_cast<std::int64_t>(
        room_of(trace, question) * static_cast<double>(i + 1) / static_cast<double>(free) + 1e-6);
    result[i].capacity = until - given;
    result[i].seed += i;
    given = until;
  }
  return result;
}

CacheSettings shared_settings(const RoutingTrace& trace, const CacheQuestion& question) {
  CacheSettings settings =
      settings_of(question, static_cast<std::int64_t>(trace.layers.size()) - question.pinned_layers);
  settings.capacity = static_cast<std::int64_t>(room_of(trace, question));
  return settings;
}

namespace {

/// One request after another, each with caches of its own.
CacheResult simulate_cold(const RoutingTrace& trace, const CacheQuestion& question) {
  CacheResult sum;
  CacheQuestion one = question;
  one.cold = false;
  for (std::int64_t first = 0; first < trace.tokens(); first += question.request) {
    const std::int64_t last = std::min(first + question.request, trace.tokens());
    if (last - first <= question.warm_up) {
      break;
    }
    RoutingTrace request{trace.experts, trace.top_k, {}, trace.source};
    for (const std::vector<std::int32_t>& layer : trace.layers) {
      request.layers.emplace_back(layer.begin() + first * trace.top_k, layer.begin() + last * trace.top_k);
    }
    const CacheResult result = simulate_cache(request, one);
    sum.layers.resize(result.layers.size());
    for (std::size_t layer = 0; layer < result.layers.size(); ++layer) {
      sum.layers[layer].requests += result.layers[layer].requests;
      sum.layers[layer].hits += result.layers[layer].hits;
    }
    sum.tokens += result.tokens;
    sum.steps += result.steps;
    sum.held_experts = result.held_experts;
    one.seed += result.layers.size();  // draws of its own
  }
  return sum;
}

}  // namespace

CacheResult simulate_cache(const RoutingTrace& trace, const CacheQuestion& question) {
  const CacheSpan span = check_cache(trace, question);
  if (question.cold && question.request > 0 && question.request < trace.tokens()) {
    return simulate_cold(trace, question);
  }
  const auto pinned = static_cast<std::size_t>(question.pinned_layers);
  const auto counted = static_cast<std::size_t>(span.skipped);
  CacheResult result;
  result.layers.resize(trace.layers.size());
  result.steps = span.steps - span.skipped;
  result.tokens = trace.tokens() - span.skipped * question.batch;
  result.held_experts = room_of(trace, question) + static_cast<double>(pinned) * static_cast<double>(trace.experts);
  const std::span<LayerHits> layers(result.layers);
  for (std::size_t layer = 0; layer < pinned; ++layer) {
    const ExpertRequests requests = layer_requests(trace, layer, question.batch);
    const auto count = static_cast<std::int64_t>(requests.experts.size() - requests.first[counted]);
    layers[layer] = {count, count};
  }
  if (pinned == layers.size()) {
    return result;
  }
  if (question.shared) {
    serve_all(shared_requests(trace, pinned, question.batch), shared_settings(trace, question), counted,
              layers.subspan(pinned));
    return result;
  }
  const std::vector<CacheSettings> settings = layer_settings(trace, question);
  for (std::size_t i = 0; i < settings.size(); ++i) {
    serve_all(layer_requests(trace, pinned + i, question.batch), settings[i], counted, layers.subspan(pinned + i, 1));
  }
  return result;
}

}  // namespace moesaic
