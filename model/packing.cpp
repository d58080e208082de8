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

}  // namespace moesaic
