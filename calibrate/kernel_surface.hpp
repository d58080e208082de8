// A fitted kernel time: physical core times a measured residual surface, with a spread learnt from shapes left out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "calibrate/kernel_core.hpp"

namespace moesaic {

/// A time and how sure it is: half the rows lie within exp(+-half50) of it, nine of ten within exp(+-half90).
struct KernelEstimate {
  double seconds = 0;
  double half50 = 0;
  double half90 = 0;
};

struct KernelSurface {
  Family family = Family::gemm;
  std::string dtype;
  std::string kv_dtype;
  std::string kernel;
  std::size_t rows = 0;    ///< measurements behind it
  std::size_t shapes = 0;  ///< whole shapes behind it
  KernelCore core;
  BoostedTrees residual;  ///< of log(measured / core)
  BoostedTrees spread;    ///< of log |log(predicted / measured)| on shapes left out
  double spread50 = 1;    ///< multiples of exp(spread) that hold half, and nine tenths, of the rows left out
  double spread90 = 2;
  FeatureRow least{};  ///< extent of the measured features
  FeatureRow most{};
  double median_error = 0;  ///< on shapes left out
  double p90_error = 0;

  /// The time of one call. `cache` as in core_seconds(); the residual was measured with a warm cache and applies to both.
  double seconds(const KernelPoint& point, double cache) const;
  /// The same with its spread, which grows outside the measured extent.
  KernelEstimate estimate(const KernelPoint& point, double cache) const;
};

/// One measured call.
struct KernelSample {
  KernelPoint point;
  double seconds = 0;
  std::uint32_t group = 0;  ///< whole shape: samples of one group are left out together
};

struct SurfaceOptions {
  BoostingOptions residual{.trees = 48, .depth = 7, .learning_rate = 0.3, .scale = 0.03, .leaf_prior = 0.7, .bins = 128};
  int folds = 5;
};

/// Fits core, residual and spread. `cache`: of the device measured.
KernelSurface fit_surface(std::span<const KernelSample> samples, double cache, const SurfaceOptions& options = {});

}  // namespace moesaic
