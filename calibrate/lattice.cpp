#include "calibrate/lattice.hpp"

#include <algorithm>

namespace moesaic {

double Lattice::operator()(const LatticePoint& point) const {
  // Corners of the cell that hold weight, axis by axis; a coordinate on a knot adds none.
  std::array<double, 1U << kMostAxes> weight{1};
  std::array<std::uint32_t, 1U << kMostAxes> index{0};
  std::size_t corners = 1;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const std::vector<float>& knots = axes[a];
    const auto size = static_cast<std::uint32_t>(knots.size());
    const auto x = static_cast<float>(point[a]);
    std::uint32_t cell = 0;
    double upper = 0;
    if (x >= knots.back()) {
      cell = size - 1;
    } else if (x > knots.front()) {
      cell = static_cast<std::uint32_t>(std::upper_bound(knots.begin(), knots.end(), x) - knots.begin()) - 1;
      upper = (point[a] - static_cast<double>(knots[cell])) / static_cast<double>(knots[cell + 1] - knots[cell]);
      upper = std::clamp(upper, 0.0, 1.0);
    }
    for (std::size_t c = 0; c < corners; ++c) {
      index[c] = index[c] * size + cell;
    }
    if (upper > 1e-4) {
      for (std::size_t c = 0; c < corners; ++c) {
        index[corners + c] = index[c] + 1;
        weight[corners + c] = weight[c] * upper;
        weight[c] *= 1 - upper;
      }
      corners *= 2;
    }
  }
  double sum = 0;
  for (std::size_t c = 0; c < corners; ++c) {
    sum += weight[c] * static_cast<double>(values[index[c]]);
  }
  return sum;
}

std::vector<LatticePoint> Lattice::nodes() const {
  std::vector<LatticePoint> result{LatticePoint{}};
  for (std::size_t a = 0; a < axes.size(); ++a) {
    std::vector<LatticePoint> next;
    next.reserve(result.size() * axes[a].size());
    for (const LatticePoint& node : result) {
      for (const float knot : axes[a]) {
        next.push_back(node);
        next.back()[a] = static_cast<double>(knot);
      }
    }
    result = std::move(next);
  }
  return result;
}

std::vector<float> knots(std::vector<float> values, std::size_t most) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() <= most) {
    return values;
  }
  std::vector<float> thinned;
  for (std::size_t i = 0; i < most; ++i) {
    thinned.push_back(values[i * (values.size() - 1) / (most - 1)]);
  }
  return thinned;
}

}  // namespace moesaic
