#include "calibrate/kernel_surface.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

// A spread that few shapes taught may be far off itself; a core is physical enough to be right within these factors.
constexpr double kMost50 = 0.7, kMost90 = 1.6;

/// How much less sure a prediction is than inside the measured extent: grows with the factor by which a feature leaves
/// it.
double outside(const KernelSurface& surface, const FeatureRow& row) {
  float worst = 1;
  for (std::size_t f = 0; f < kFeatureCount; ++f) {
    if (row[f] > surface.most[f] && surface.most[f] > 0) {
      worst = std::max(worst, row[f] / surface.most[f]);
    } else if (row[f] < surface.least[f] && row[f] > 0) {
      worst = std::max(worst, surface.least[f] / row[f]);
    }
  }
  return worst == 1 ? 1 : 1 + std::min(2.0, 0.5 * std::log(static_cast<double>(worst)));
}

/// The columns of a family's shape that span its lattice.
std::span<const std::uint8_t> lattice_columns(Family family) {
  constexpr static std::uint8_t kTwo[] = {0, 1}, kThree[] = {0, 1, 2}, kFour[] = {0, 1, 2, 3};
  switch (family) {
    case Family::gemm:
    case Family::collective:  // the third one turned into nodes
    case Family::mla_decode:
    case Family::mla_decode_module:
      return kThree;
    case Family::mla_prefill:
    case Family::mla_prefill_module:
      return kFour;
    case Family::mla_bmm:
    case Family::quantize:
    case Family::elementwise:
      return kTwo;
    default:
      return {};
  }
}

}  // namespace

std::size_t lattice_axes(Family family) { return lattice_columns(family).size(); }

LatticePoint lattice_point(Family family, const ShapeValues& shape) {
  LatticePoint point{};
  std::size_t axis = 0;
  for (const std::uint8_t column : lattice_columns(family)) {
    point[axis++] = std::log(std::max(shape[column], 0.5));  // 0.5: no prefix
  }
  if (family == Family::collective) {
    // Inside a node the devices per node are the ranks: as an axis of their own they would say nothing.
    point[2] = std::max(0.0, point[1] - point[2]);
  }
  return point;
}

ShapeValues lattice_shape(Family family, const LatticePoint& point, ShapeValues rest) {
  std::size_t axis = 0;
  for (const std::uint8_t column : lattice_columns(family)) {
    const double value = std::exp(point[axis++]);
    rest[column] = value < 0.75 ? 0 : std::round(value);
  }
  if (family == Family::collective) {
    rest[2] = std::round(std::exp(point[1] - point[2]));
  }
  return rest;
}

double KernelSurface::seconds(const KernelPoint& point, const ShapeValues& shape, double cache) const {
  const double residual =
      lattice.empty() ? static_cast<double>(trees(point.features)) : lattice(lattice_point(family, shape));
  return core_seconds(core, point.terms, cache) * std::exp(residual);
}

KernelEstimate KernelSurface::estimate(const KernelPoint& point, const ShapeValues& shape, double cache) const {
  const double scale = std::exp(static_cast<double>(spread(point.features))) * outside(*this, point.features);
  return {seconds(point, shape, cache), std::min(scale * spread50, kMost50), std::min(scale * spread90, kMost90)};
}

KernelEstimate widen_borrowed(KernelEstimate estimate) {
  // Transfers between the measured devices (moesaic validate operators --transfer): half of the rows err by less than
  // about 10 %, nine of ten by less than about 40 %.
  constexpr double kHalf50 = 0.1, kHalf90 = 0.4;
  estimate.half50 = std::hypot(estimate.half50, kHalf50);
  estimate.half90 = std::hypot(estimate.half90, kHalf90);
  return estimate;
}

}  // namespace moesaic
