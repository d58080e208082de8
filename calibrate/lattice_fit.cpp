#include <Eigen/IterativeLinearSolvers>
#include <Eigen/Sparse>
#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "calibrate/binned_rows.hpp"
#include "calibrate/lattice.hpp"

namespace moesaic {
namespace {

using Sparse = Eigen::SparseMatrix<double>;
using Triplets = std::vector<Eigen::Triplet<double>>;

constexpr double kRidge = 1e-4;  ///< draws what nothing else determines to zero: the physical core

/// Interpolation weights of every point, a row each.
Sparse interpolation(const Lattice& lattice, std::span<const LatticePoint> points) {
  Triplets entries;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::vector<std::pair<Eigen::Index, double>> corners{{0, 1}};
    for (std::size_t a = 0; a < lattice.axes.size(); ++a) {
      const std::vector<float>& axis = lattice.axes[a];
      const double x = std::clamp(points[i][a], static_cast<double>(axis.front()), static_cast<double>(axis.back()));
      std::size_t cell = 0;
      while (cell + 2 < axis.size() && static_cast<double>(axis[cell + 1]) <= x) {
        ++cell;
      }
      const double upper =
          axis.size() < 2 ? 0
                          : (x - static_cast<double>(axis[cell])) / static_cast<double>(axis[cell + 1] - axis[cell]);
      std::vector<std::pair<Eigen::Index, double>> next;
      for (const auto& [index, weight] : corners) {
        const Eigen::Index base = index * static_cast<Eigen::Index>(axis.size()) + static_cast<Eigen::Index>(cell);
        if (upper < 1) {
          next.emplace_back(base, weight * (1 - upper));
        }
        if (upper > 0) {
          next.emplace_back(base + 1, weight * upper);
        }
      }
      corners = std::move(next);
    }
    for (const auto& [index, weight] : corners) {
      entries.emplace_back(static_cast<Eigen::Index>(i), index, weight);
    }
  }
  Sparse matrix(static_cast<Eigen::Index>(points.size()), static_cast<Eigen::Index>(lattice.values.size()));
  matrix.setFromTriplets(entries.begin(), entries.end());
  return matrix;
}

/// One row for each squared slope or curvature that the fit holds small.
Sparse roughness(const Lattice& lattice, const LatticeOptions& options) {
  Triplets entries;
  Eigen::Index row = 0;
  const std::size_t count = lattice.values.size();
  std::size_t stride = count;
  for (const std::vector<float>& axis : lattice.axes) {
    const std::size_t size = axis.size();
    stride /= size;
    const auto gap = [&](std::size_t i) {
      return std::max(static_cast<double>(axis[i + 1] - axis[i]), options.least_spacing);
    };
    for (std::size_t node = 0; node < count; ++node) {
      const std::size_t at = node / stride % size;
      const auto index = [&](std::size_t offset) { return static_cast<Eigen::Index>(node + offset * stride); };
      if (at + 1 < size) {
        const double weight = std::sqrt(options.slope / gap(at));
        entries.emplace_back(row, index(0), -weight);
        entries.emplace_back(row++, index(1), weight);
      }
      if (at + 2 < size) {
        const double first = gap(at), second = gap(at + 1);
        const double weight = std::sqrt(options.curvature * 2 / (first + second));
        entries.emplace_back(row, index(0), weight / first);
        entries.emplace_back(row, index(1), -weight / first - weight / second);
        entries.emplace_back(row++, index(2), weight / second);
      }
    }
  }
  Sparse matrix(row, static_cast<Eigen::Index>(count));
  matrix.setFromTriplets(entries.begin(), entries.end());
  return matrix;
}

}  // namespace

Lattice fit_lattice(std::vector<std::vector<float>> axes, std::span<const LatticePoint> points,
                    std::span<const double> targets, const LatticeOptions& options) {
  MOESAIC_ASSERT(points.size() == targets.size() && !points.empty());
  Lattice lattice;
  lattice.axes = std::move(axes);
  std::size_t count = 1;
  for (const std::vector<float>& axis : lattice.axes) {
    count *= axis.size();
  }
  lattice.values.assign(count, 0);
  const Sparse interpolate = interpolation(lattice, points);
  const Sparse rough = roughness(lattice, options);
  Sparse identity(static_cast<Eigen::Index>(count), static_cast<Eigen::Index>(count));
  identity.setIdentity();
  const Sparse prior = Sparse(rough.transpose() * rough) + kRidge * identity;
  const Eigen::Map<const Eigen::VectorXd> target(targets.data(), static_cast<Eigen::Index>(targets.size()));
  Eigen::VectorXd solution = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(count));
  std::vector<double> residuals(targets.begin(), targets.end()), weights;
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    pseudo_huber_weights(residuals, round == 0 ? 1e9 : options.scale, weights);
    const Eigen::Map<const Eigen::VectorXd> weight(weights.data(), target.size());
    const Sparse weighted = weight.asDiagonal() * interpolate;
    const Sparse normal = Sparse(interpolate.transpose() * weighted) + prior;
    Eigen::ConjugateGradient<Sparse, Eigen::Lower | Eigen::Upper> solver;
    solver.setTolerance(1e-6);
    solver.setMaxIterations(500);
    solver.compute(normal);
    solution = solver.solveWithGuess(weighted.transpose() * target, solution);
    const Eigen::VectorXd fitted = interpolate * solution;
    for (std::size_t i = 0; i < residuals.size(); ++i) {
      residuals[i] = targets[i] - fitted[static_cast<Eigen::Index>(i)];
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    lattice.values[i] = static_cast<float>(solution[static_cast<Eigen::Index>(i)]);
  }
  return lattice;
}

}  // namespace moesaic
