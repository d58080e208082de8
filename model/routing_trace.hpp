// Recorded choices of experts: which experts each token used, in one layer or in several.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/routing.hpp"

namespace moesaic {

/// The same tokens in every layer; top_k distinct experts a token, tokens one after another.
struct RoutingTrace {
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::vector<std::vector<std::int32_t>> layers;
  std::string source;

  std::int64_t tokens() const { return static_cast<std::int64_t>(layers.front().size()) / top_k; }
  std::span<const std::int32_t> chosen(std::size_t layer, std::int64_t token) const;
  /// How often each expert of a layer is chosen.
  Routing routing(std::size_t layer) const { return Routing::trace(experts, top_k, layers[layer]); }
};

/// Throws UserError unless every layer holds the same positive number of tokens, each of top_k distinct experts.
void check_trace(const RoutingTrace& trace);

/// Reads {"experts": E, "top_k": k, "layers": [[...], ...], "source": "..."}, or "trace": [...] for one layer. Throws
/// UserError if it is not for this number of experts and top_k.
RoutingTrace read_routing_trace(const std::filesystem::path& file, std::int64_t experts, std::int64_t top_k);
/// Whether a file holds a trace rather than a histogram.
bool is_routing_trace(const std::filesystem::path& file);

}  // namespace moesaic
