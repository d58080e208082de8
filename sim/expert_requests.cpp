#include "sim/expert_requests.hpp"

#include <algorithm>

namespace moesaic {
namespace {

/// Appends a row; `seen` holds the last row that used an expert, counted from 1.
void add_row(const RoutingTrace& trace, std::size_t layer, std::int64_t first, std::int64_t batch, std::size_t offset,
             std::vector<std::size_t>& seen, ExpertRequests& requests) {
  const std::size_t row = requests.first.size();
  for (std::int64_t token = first; token < std::min(first + batch, trace.tokens()); ++token) {
    for (const std::int32_t expert : trace.chosen(layer, token)) {
      const std::size_t slot = offset + static_cast<std::size_t>(expert);
      if (seen[slot] != row) {
        seen[slot] = row;
        requests.experts.push_back(static_cast<std::int32_t>(slot));
      }
    }
  }
  requests.first.push_back(requests.experts.size());
}

}  // namespace

ExpertRequests layer_requests(const RoutingTrace& trace, std::size_t layer, std::int64_t batch) {
  ExpertRequests requests{trace.experts, {0}, {}};
  std::vector<std::size_t> seen(static_cast<std::size_t>(trace.experts), 0);
  for (std::int64_t token = 0; token < trace.tokens(); token += batch) {
    add_row(trace, layer, token, batch, 0, seen, requests);
  }
  return requests;
}

ExpertRequests shared_requests(const RoutingTrace& trace, std::size_t first_layer, std::int64_t batch) {
  const std::size_t layers = trace.layers.size() - first_layer;
  const auto experts = static_cast<std::size_t>(trace.experts);
  ExpertRequests requests{static_cast<std::int64_t>(layers * experts), {0}, {}};
  std::vector<std::size_t> seen(layers * experts, 0);
  for (std::int64_t token = 0; token < trace.tokens(); token += batch) {
    for (std::size_t layer = 0; layer < layers; ++layer) {
      add_row(trace, first_layer + layer, token, batch, layer * experts, seen, requests);
    }
  }
  return requests;
}

}  // namespace moesaic
