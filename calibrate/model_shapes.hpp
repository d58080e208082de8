// The shapes in which networks call kernels: what is worth measuring.
#pragma once

#include <algorithm>
#include <compare>
#include <span>
#include <vector>

#include "model/architecture.hpp"

namespace moesaic {

struct ProductShape {
  std::int64_t n = 0, k = 0;
  auto operator<=>(const ProductShape&) const = default;
};
struct HeadShape {
  std::int64_t q_heads = 0, kv_heads = 0, head_dim = 0, window = 0;
  auto operator<=>(const HeadShape&) const = default;
};
struct RoutedShape {
  std::int64_t hidden = 0, inter = 0, top_k = 0, experts = 0;
  std::int64_t tensor = 1;  ///< devices that share each expert
  auto operator<=>(const RoutedShape&) const = default;
};
struct StateShape {
  std::int64_t heads = 0, head_dim = 0;
  auto operator<=>(const StateShape&) const = default;
};

/// Distinct shapes on one of 1, 2, 4 or 8 tensor-parallel devices. Each list begins with what most networks and splits
/// have in common.
struct ModelShapes {
  std::vector<ProductShape> products;      ///< projections, feed-forward layers, routers, heads
  std::vector<HeadShape> heads;            ///< softmax attention
  std::vector<std::int64_t> latent_heads;  ///< heads of latent attention
  std::vector<StateShape> states;          ///< lightning attention
  std::vector<RoutedShape> experts;        ///< gated experts
  std::vector<std::int64_t> hidden;        ///< values of a token between layers
  std::vector<std::int64_t> inner;         ///< values of a token inside a gated feed-forward layer or expert
};
ModelShapes model_shapes(std::span<const Architecture> models);

/// All networks of the catalog, sorted by name.
std::vector<Architecture> shipped_models();

/// At most `count` of a list: the first half of them from its beginning, the others spread evenly over the rest, which
/// is sorted by `size`.
template <class Shape, class Size>
std::vector<Shape> chosen_shapes(const std::vector<Shape>& all, std::size_t count, const Size& size) {
  if (all.size() <= count) {
    return all;
  }
  const std::size_t common = (count + 1) / 2, spread = count - common;
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(common);
  std::vector<Shape> chosen(all.begin(), middle), rest(middle, all.end());
  std::stable_sort(rest.begin(), rest.end(), [&](const Shape& a, const Shape& b) { return size(a) < size(b); });
  for (std::size_t i = 0; i < spread; ++i) {
    chosen.push_back(rest[i * (rest.size() - 1) / std::max<std::size_t>(1, spread - 1)]);
  }
  return chosen;
}

}  // namespace moesaic
