// A fitted kernel time: physical core times a measured residual surface, with a spread learnt from shapes left out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "calibrate/forest.hpp"
#include "calibrate/kernel_core.hpp"
#include "calibrate/lattice.hpp"

namespace moesaic {

/// A time and how sure it is: half the rows lie within exp(+-half50) of it, nine of ten within exp(+-half90).
struct KernelEstimate {
  double seconds = 0;
  double half50 = 0;
  double half90 = 0;
};

/// Of a surface that was fitted on another device: at least as unsure as such transfers were found to be.
KernelEstimate widen_borrowed(KernelEstimate estimate);

/// Residuals are kept as whole numbers of this.
inline constexpr double kResidualUnit = 1e-4;

struct KernelSurface {
  Family family = Family::gemm;
  std::string dtype;
  std::string kv_dtype;
  std::string kernel;
  std::size_t rows = 0;    ///< measurements behind it
  std::size_t shapes = 0;  ///< whole shapes behind it
  KernelCore core;
  /// Of log(measured / core): a lattice where the shape has few columns, else trees. The other one is empty.
  Lattice lattice;
  BoostedTrees trees;
  BoostedTrees spread;  ///< of log |log(predicted / measured)| on shapes left out
  double spread50 = 1;  ///< multiples of exp(spread) that hold half, and nine tenths, of the rows left out
  double spread90 = 2;
  FeatureRow least{};  ///< extent of the measured features
  FeatureRow most{};
  double median_error = 0;  ///< on shapes left out
  double p90_error = 0;

  /// The time of one call. `cache` as in core_seconds(): what was measured with a warm cache holds for a cold one too.
  double seconds(const KernelPoint& point, const ShapeValues& shape, double cache) const;
  /// The same with its spread, which grows outside the measured extent.
  KernelEstimate estimate(const KernelPoint& point, const ShapeValues& shape, double cache) const;
};

/// One measured call.
struct KernelSample {
  ShapeValues shape{};
  double seconds = 0;
  std::uint32_t group = 0;  ///< whole shape: samples of one group are left out together
};

struct SurfaceOptions {
  BoostingOptions trees{.trees = 48, .depth = 7, .learning_rate = 0.3, .scale = 0.03, .leaf_prior = 0.7, .bins = 128};
  ForestOptions forest{.trees = 400, .leaves = 31, .learning_rate = 0.08, .scale = 0.015, .least_rows = 9};
  LatticeOptions lattice;
  int folds = 5;
};

/// Fits core, residual and spread of one kernel on the device of `setting`.
KernelSurface fit_surface(const KernelSetting& setting, std::span<const KernelSample> samples,
                          const SurfaceOptions& options = {});

/// The coordinates in which a family's residual is a lattice; none for families whose shape has too many columns.
std::size_t lattice_axes(Family family);
LatticePoint lattice_point(Family family, const ShapeValues& shape);
/// The other way round, in whole numbers; `rest`: the columns that are no coordinate.
ShapeValues lattice_shape(Family family, const LatticePoint& point, ShapeValues rest);

}  // namespace moesaic
