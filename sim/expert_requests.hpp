// What an expert cache is asked for: the distinct experts of each step of a layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/routing_trace.hpp"

namespace moesaic {

/// Rows of distinct numbers in [0, slots), one row after another in time.
struct ExpertRequests {
  std::int64_t slots = 0;
  std::vector<std::size_t> first;  ///< of every row, and the end
  std::vector<std::int32_t> experts;

  std::size_t rows() const { return first.size() - 1; }
  std::span<const std::int32_t> row(std::size_t index) const {
    return {experts.data() + first[index], first[index + 1] - first[index]};
  }
};

/// A row for every `batch` tokens (the last may have fewer), each expert once, in the order of its first use.
ExpertRequests layer_requests(const RoutingTrace& trace, std::size_t layer, std::int64_t batch);
/// All layers from `first_layer` as one sequence: step by step, layer by layer; expert e of the i-th is i*experts + e.
ExpertRequests shared_requests(const RoutingTrace& trace, std::size_t first_layer, std::int64_t batch);

}  // namespace moesaic
