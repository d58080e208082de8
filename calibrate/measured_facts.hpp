// What measurements of CPUs and GPUs have in common.
#pragma once

#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "calibrate/measurement.hpp"
#include "kernels/timing.hpp"

namespace moesaic {

inline constexpr double kMiB = 1024.0 * 1024;

struct MeasureProgress {
  std::size_t done = 0;
  std::size_t total = 0;
  std::string what;  ///< the point that begins now
};

/// The highest rate of any product in one format: achieved, not theoretical.
struct MeasuredPeak {
  DType dtype = DType::fp32;
  FlopsPerSecond rate{};
  std::string kernel;  ///< "gemm onednn fp32 n=2048 k=2048 m=512"
  Timing timing;
};

/// How far measuring went, and what it gave apart from the facts of the machine.
struct MeasuredRun {
  Measurements measurements;
  std::size_t done = 0;
  std::size_t total = 0;
  bool stopped = false;               ///< by the flag, before the end
  std::vector<std::string> warnings;  ///< one line each, for people
};

}  // namespace moesaic
