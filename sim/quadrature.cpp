#include "sim/quadrature.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace moesaic {
namespace {

constexpr std::size_t kMostBreaks = 64;

struct Breaks {
  std::array<double, kMostBreaks> at{};
  std::size_t count = 0;
  void add(double context) {
    if (count < kMostBreaks) {
      at[count++] = context;
    }
  }
};

/// Contexts between first and last at which some layer's cost changes its slope or jumps.
Breaks find_breaks(const Architecture& architecture, double first, double last) {
  Breaks breaks;
  for (const LayerKind& kind : architecture.kinds) {
    double window = 0;
    bool chunked = false;
    if (const auto* softmax = std::get_if<SoftmaxAttention>(&kind.attention)) {
      window = static_cast<double>(softmax->window);
      chunked = softmax->chunked;
    } else if (const auto* latent = std::get_if<LatentAttention>(&kind.attention)) {
      window = static_cast<double>(latent->indexer.top_k);
    }
    if (window <= 0) {
      continue;
    }
    const double most = chunked ? std::floor((last + 1) / window) : 1;
    for (double i = chunked ? std::max(1.0, std::ceil(first / window)) : 1; i <= most; ++i) {
      const double at = i * window - 1;  // this context's query is the last that sees no new edge
      if (at >= first && at < last) {
        breaks.add(at);
      }
      if (breaks.count == kMostBreaks) {
        break;
      }
    }
  }
  std::sort(breaks.at.begin(), breaks.at.begin() + static_cast<std::ptrdiff_t>(breaks.count));
  return breaks;
}

/// Simpson's rule for the sum over the integers from..to (both included), exact for cubics in the continuous sense.
void add_segment(double from, double to, double total, std::vector<Node>& out) {
  const double count = to - from + 1;
  if (count <= 0) {
    return;
  }
  const double share = count / total;
  if (count < 3) {
    for (double context = from; context <= to; ++context) {
      out.push_back({context, 1 / total});
    }
    return;
  }
  // Over integers the trapezoid part of the mean carries the weight (n+1)/(n-1) of the continuous rule's end terms.
  const double end = (count + 1) / (count - 1) / 6;
  out.push_back({from, share * end});
  out.push_back({(from + to) / 2, share * (1 - 2 * end)});
  out.push_back({to, share * end});
}

}  // namespace

void mean_nodes(const Architecture& architecture, double first, double last, std::vector<Node>& out) {
  out.clear();
  const Breaks breaks = find_breaks(architecture, first, last);
  const double total = last - first + 1;
  double from = first;
  for (std::size_t i = 0; i < breaks.count; ++i) {
    if (breaks.at[i] < from) {
      continue;
    }
    add_segment(from, breaks.at[i], total, out);
    from = breaks.at[i] + 1;
  }
  add_segment(from, last, total, out);
}

}  // namespace moesaic
