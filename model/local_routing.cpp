#include "model/local_routing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// seen[n] += 1 for every segment and expert that is used n times in it.
void count_segments(const RoutingTrace& trace, std::size_t layer, std::int64_t first, std::int64_t last,
                    std::int64_t segment, std::vector<std::int64_t>& seen) {
  std::vector<std::int64_t> uses(static_cast<std::size_t>(trace.experts), 0);
  for (std::int64_t token = first; token < last; ++token) {
    for (const std::int32_t expert : trace.chosen(layer, token)) {
      ++uses[static_cast<std::size_t>(expert)];
    }
    if (token - first >= segment) {
      for (const std::int32_t expert : trace.chosen(layer, token - segment)) {
        --uses[static_cast<std::size_t>(expert)];
      }
    }
    if (token - first + 1 >= segment) {
      for (const std::int64_t count : uses) {
        ++seen[static_cast<std::size_t>(count)];
      }
    }
  }
}

}  // namespace

SegmentRouting segment_routing(const RoutingTrace& trace, std::int64_t segment, std::int64_t document) {
  const std::int64_t tokens = trace.tokens(), length = document > 0 ? std::min(document, tokens) : tokens;
  if (segment < 1 || segment > length) {
    throw UserError(
        fmt::format("segment of {} tokens: allowed are 1 to {}, the tokens of a document", segment, length));
  }
  std::vector<std::int64_t> seen(static_cast<std::size_t>(segment) + 1, 0);
  for (std::size_t layer = 0; layer < trace.layers.size(); ++layer) {
    for (std::int64_t first = 0; first < tokens; first += length) {
      count_segments(trace, layer, first, std::min(first + length, tokens), segment, seen);
    }
  }
  double actual = 0;
  for (std::size_t count = 0; count < seen.size(); ++count) {
    actual += static_cast<double>(count) * static_cast<double>(seen[count]);
  }
  SegmentRouting best;
  double predicted = 0, matched = 0;
  for (std::size_t threshold = seen.size(); threshold-- > 0;) {
    predicted += static_cast<double>(segment) * static_cast<double>(seen[threshold]);
    matched += static_cast<double>(threshold) * static_cast<double>(seen[threshold]);
    const double performance = 2 * matched / (predicted + actual);
    if (performance > best.performance) {
      best = {performance, predicted / actual};
    }
  }
  return best;
}

RoutingLocality routing_locality(const RoutingTrace& trace) {
  RoutingLocality result;
  const auto experts = static_cast<std::size_t>(trace.experts);
  const auto tokens = static_cast<double>(trace.tokens()), top_k = static_cast<double>(trace.top_k);
  double repeats = 0, distance = 0, returns = 0;
  for (std::size_t layer = 0; layer < trace.layers.size(); ++layer) {
    std::vector<std::int64_t> last(experts, -1), uses(experts, 0);
    for (std::int64_t token = 0; token < trace.tokens(); ++token) {
      for (const std::int32_t expert : trace.chosen(layer, token)) {
        std::int64_t& before = last[static_cast<std::size_t>(expert)];
        if (before >= 0) {
          repeats += before == token - 1 ? 1 : 0;
          distance += static_cast<double>(token - before);
          returns += 1;
        }
        before = token;
        ++uses[static_cast<std::size_t>(expert)];
      }
    }
    const double mean = top_k / static_cast<double>(trace.experts);
    double squares = 0;
    for (const std::int64_t count : uses) {
      squares += std::pow(static_cast<double>(count) / tokens - mean, 2);
    }
    result.load_deviation += std::sqrt(squares / static_cast<double>(trace.experts));
  }
  const auto layers = static_cast<double>(trace.layers.size());
  result.load_deviation /= layers;
  result.repeat = tokens > 1 ? repeats / (layers * (tokens - 1) * top_k) : 0;
  result.temporal_distance = returns > 0 ? distance / returns : 0;
  return result;
}

}  // namespace moesaic
