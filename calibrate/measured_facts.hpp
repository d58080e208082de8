// What measurements of CPUs and GPUs have in common.
#pragma once

#include <string>

#include "base/dtype.hpp"
#include "kernels/timing.hpp"

namespace moesaic {

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
}  // namespace moesaic
