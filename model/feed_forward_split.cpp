#include "model/feed_forward_split.hpp"

#include <algorithm>
#include <string_view>

namespace moesaic {

Operator columns_of(const Operator& op, double share) {
  Operator part = op;
  if (auto* product = std::get_if<Gemm>(&part.shape)) {
    (std::string_view(op.label) == "down" ? product->k : product->n) *= share;
  } else if (auto* between = std::get_if<Elementwise>(&part.shape)) {
    between->elements_read *= share;
    between->elements_written *= share;
  }
  return part;
}

double near_memory_columns(std::span<const Operator> feed_forward, const UnitSeconds& processor,
                           const UnitSeconds& memory, Seconds crossing, double most) {
  const auto seconds = [&](const UnitSeconds& unit, double share) {
    Seconds sum;
    for (const Operator& op : feed_forward) {
      sum += share > 0 ? unit(work(columns_of(op, share))) : Seconds{};
    }
    return sum;
  };
  const auto here = [&](double share) { return seconds(processor, 1 - share); };
  const auto there = [&](double share) { return seconds(memory, share) + crossing; };
  // One falls with the share and the other rises: they meet once, if at all.
  constexpr int kHalvings = 30;
  double low = 0, high = most;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (there(middle) < here(middle) ? low : high) = middle;
  }
  const double share = low;
  const Seconds both = std::max(here(share), there(share));
  const bool all = most >= 1 && there(1) <= both;
  return here(0) <= std::min(both, all ? there(1) : both) ? 0 : all ? 1 : share;
}

}  // namespace moesaic
