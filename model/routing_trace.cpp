#include "model/routing_trace.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/config.hpp"
#include "base/error.hpp"

namespace moesaic {
namespace {

std::vector<std::int32_t> read_layer(const Config& list, std::int64_t experts) {
  std::vector<std::int32_t> chosen;
  for (const Config& element : list.elements()) {
    const std::int64_t expert = element.integer();
    if (expert < 0 || expert >= experts) {
      element.fail(fmt::format("is expert {}; allowed: 0 to {}", expert, experts - 1));
    }
    chosen.push_back(static_cast<std::int32_t>(expert));
  }
  return chosen;
}

void check_equal(const Config& value, const char* what, std::int64_t expected) {
  if (const std::int64_t found = value.positive(); found != expected) {
    value.fail(fmt::format("is of a model with {} {}; this one has {}", found, what, expected));
  }
}

}  // namespace

std::span<const std::int32_t> RoutingTrace::chosen(std::size_t layer, std::int64_t token) const {
  const auto count = static_cast<std::size_t>(top_k);
  return std::span(layers[layer]).subspan(static_cast<std::size_t>(token) * count, count);
}

void check_trace(const RoutingTrace& trace) {
  if (trace.layers.empty()) {
    throw UserError("routing trace: no layers; needs at least one");
  }
  for (std::size_t layer = 0; layer < trace.layers.size(); ++layer) {
    try {
      trace.routing(layer);
    } catch (const UserError& error) {
      throw UserError(fmt::format("routing trace: layer {}: {}", layer, error.what()));
    }
    if (trace.layers[layer].size() != trace.layers.front().size()) {
      throw UserError(fmt::format("routing trace: layer {} has {} entries, layer 0 has {}; needs as many", layer,
                                  trace.layers[layer].size(), trace.layers.front().size()));
    }
  }
}

RoutingTrace read_routing_trace(const std::filesystem::path& file, std::int64_t experts, std::int64_t top_k) {
  const Config config = Config::load(file);
  RoutingTrace trace{experts, top_k, {}, config.string_or("source", "")};
  check_equal(config.at("top_k"), "experts a token", top_k);
  if (const auto stated = config.find("experts")) {
    check_equal(*stated, "experts", experts);
  }
  const auto one = config.find("trace"), several = config.find("layers");
  config.reject_unknown();
  if (one.has_value() == several.has_value()) {
    config.fail("needs either 'trace' (chosen experts of one layer's tokens) or 'layers' (a list of such lists)");
  }
  if (one) {
    trace.layers.push_back(read_layer(*one, experts));
  } else {
    for (const Config& layer : several->elements()) {
      trace.layers.push_back(read_layer(layer, experts));
    }
  }
  try {
    check_trace(trace);
  } catch (const UserError& error) {
    (one ? *one : *several).fail(error.what());
  }
  return trace;
}

bool is_routing_trace(const std::filesystem::path& file) {
  const Config config = Config::load(file);
  return config.is_object() && (config.has("trace") || config.has("layers"));
}

}  // namespace moesaic
