// The physical core of a calibrated kernel time: a latency floor, dependent steps, and the roofs that kernels reach.
#pragma once

#include <span>

#include "calibrate/kernel_model.hpp"

namespace moesaic {

/// seconds = fixed + step * steps + ((compute / compute_fraction)^s + (memory / memory_fraction)^s)^(1/s): the roofs,
/// with a soft corner where both bind. Repeated calls find part of a footprint in the last-level cache, where bytes
/// cost 1 / cache_gain of what they cost in memory. Extrapolates: all parameters are positive and the fractions at
/// most 1.
struct KernelCore {
  double fixed = 3e-6;  ///< seconds of an empty call
  double step = 0;      ///< seconds of a dependent step
  double compute_fraction = 0.7;
  double memory_fraction = 0.8;
  double sharpness = 4;
  double cache_gain = 1;
};

/// `cache`: bytes of the last-level cache that earlier calls have filled; 0: cold.
double core_seconds(const KernelCore& core, const KernelTerms& terms, double cache);

/// The core that is nearest to measured times in the sense of a robust sum over |log(core / measured)|, by damped
/// Gauss-Newton steps. Deterministic.
KernelCore fit_core(std::span<const KernelTerms> terms, std::span<const double> seconds, double cache);

}  // namespace moesaic
