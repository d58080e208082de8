#include "model/packing.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace moesaic {

Indices heaviest_first(std::span<const double> weights) {
  Indices order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return weights[a] > weights[b]; });
  return order;
}

std::vector<Indices> pack(std::span<const double> weights, std::size_t packs) {
  const std::size_t room = weights.size() / packs;
  std::vector<Indices> result(packs);
  std::vector<double> sums(packs, 0.0);
  for (const std::size_t item : heaviest_first(weights)) {
    std::size_t lightest = packs;
    for (std::size_t i = 0; i < packs; ++i) {
      if (result[i].size() < room && (lightest == packs || sums[i] < sums[lightest])) {
        lightest = i;
      }
    }
    result[lightest].push_back(item);
    sums[lightest] += weights[item];
  }
  return result;
}

// Every swap lowers the sum of squares, so it ends; the count only guards against rounding.
void even_out(std::vector<Indices>& packs, std::span<const double> weights) {
  std::vector<double> sums;
  for (const Indices& pack : packs) {
    sums.push_back(std::transform_reduce(pack.begin(), pack.end(), 0.0, std::plus<>(),
                                         [&](std::size_t item) { return weights[item]; }));
  }
  for (std::size_t swaps = 0; swaps < weights.size() * 4; ++swaps) {
    const auto heaviest = static_cast<std::size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
    double best = sums[heaviest] * (1 - 1e-9);
    std::size_t* mine = nullptr;
    std::size_t* theirs = nullptr;
    std::size_t other = heaviest;
    for (std::size_t r = 0; r < packs.size(); ++r) {
      for (std::size_t& a : packs[heaviest]) {
        for (std::size_t& b : packs[r]) {
          const double moved = weights[a] - weights[b];
          const double worse = std::max(sums[heaviest] - moved, sums[r] + moved);
          if (r != heaviest && worse < best) {
            best = worse, mine = &a, theirs = &b, other = r;
          }
        }
      }
    }
    if (mine == nullptr) {
      return;
    }
    const double moved = weights[*mine] - weights[*theirs];
    sums[heaviest] -= moved;
    sums[other] += moved;
    std::swap(*mine, *theirs);
  }
}

}  // namespace moesaic
