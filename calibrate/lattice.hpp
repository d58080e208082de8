// A table over a product of axes, read by multilinear interpolation: the residual surface of kernels whose shape has
// few columns. Outside its axes it continues with its edge.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moesaic {

inline constexpr std::size_t kMostAxes = 4;
using LatticePoint = std::array<double, kMostAxes>;

struct Lattice {
  std::vector<std::vector<float>> axes;  ///< ascending knots; the last axis is contiguous
  std::vector<float> values;

  bool empty() const { return values.empty(); }
  double operator()(const LatticePoint& point) const;
  /// The coordinates of every node, in the order of `values`.
  std::vector<LatticePoint> nodes() const;
};

struct LatticeOptions {
  double slope = 1e-3;      ///< weight of squared slopes along each axis against squared deviations
  double curvature = 3e-3;  ///< weight of squared curvatures
  double scale = 0.05;      ///< of the pseudo-Huber loss
  double least_spacing =
      0.35;  ///< knots nearer than this may differ as if they were this far apart: kernels switch there
};

/// The smoothest table through the targets: penalised least squares (a Gaussian Markov random field), which also fills
/// nodes that nobody measured. `axes` as in Lattice. Deterministic.
Lattice fit_lattice(std::vector<std::vector<float>> axes, std::span<const LatticePoint> points,
                    std::span<const double> targets, const LatticeOptions& options = {});

/// Knots at the values that occur, thinned to `most` with the ends kept.
std::vector<float> knots(std::vector<float> values, std::size_t most);

}  // namespace moesaic
