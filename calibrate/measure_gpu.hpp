// Measures this machine's GPU: what it can do, and how long kernels of language models take on it.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/gpu_plan.hpp"
#include "calibrate/measured_facts.hpp"
#include "calibrate/measurement.hpp"
#include "hw/machine.hpp"

namespace moesaic {

/// The stack of these measurements in profiles and files.
inline constexpr std::string_view kGpuStack = "moesaic-cuda";

struct GpuMeasureOptions {
  Seconds budget{780};                      ///< for all points; below 10 s only few and small ones are planned
  ModelShapes shapes;                       ///< in which kernels are measured
  std::string routing;                      ///< of experts, measured beside even and skewed ones: see Routing::parse()
  const std::atomic<bool>* stop = nullptr;  ///< when it becomes true, what is done so far is returned
  std::function<void(const MeasureProgress&)> progress;
  Clock clock = steady_clock();
};

struct GpuBandwidth {
  std::string stream;  ///< "read", "write", "copy", "triad"
  std::string level;   ///< "L2", "between", "memory"
  Bytes footprint{};
  BytesPerSecond rate{};
  Timing timing;
};
struct GpuLatency {
  std::string level;
  Bytes footprint{};
  Seconds load{};  ///< one dependent load
  Timing timing;
};
struct GpuCopy {
  CopyDirection direction = CopyDirection::to_device;
  bool pinned = true;
  Bytes bytes{};          ///< each way
  BytesPerSecond rate{};  ///< of all directions together
  Timing timing;
};
struct GpuPeerCopy {
  Bytes bytes{};
  BytesPerSecond rate{};
  Timing timing;
};
/// How many times longer each takes beside the other than alone.
struct GpuOverlap {
  CopyDirection direction = CopyDirection::to_device;
  double product = 1;
  double copy = 1;
};
/// A kernel that no family of measurements covers.
struct GpuOtherKernel {
  std::string what;
  BytesPerSecond rate{};
  Timing timing;
};

struct GpuFacts {
  std::string device;               ///< of the catalog, or made of the name
  std::optional<Device> datasheet;  ///< the catalog's, if it has a device of this name
  cuda::DeviceProperties properties;
  int devices = 1;
  Seconds launch{};  ///< from one empty kernel to the next when they are launched one by one; zero: not measured
  Seconds replay{};  ///< the same inside a graph
  std::vector<GpuBandwidth> bandwidth;
  std::vector<GpuLatency> latency;
  std::vector<GpuCopy> copies;
  std::vector<GpuPeerCopy> peer_copies;
  std::vector<GpuOverlap> overlaps;
  std::vector<GpuOtherKernel> others;
  std::vector<MeasuredPeak> peaks;  ///< of products and of instructions alone
  std::string nccl;                 ///< its version; empty: not there
  bool sensors_known = false;
  double hottest = 0;         ///< degrees Celsius, of all points
  PerSecond slowest_clock{};  ///< of all points
  std::size_t noisy_points = 0;

  /// Reading from memory, of the largest footprint: the cache holds more of the others. Null if it was not measured.
  const GpuBandwidth* memory_bandwidth() const;
  /// Pinned, one way; the largest for its rate, the smallest for its latency. Null if none was measured.
  const GpuCopy* largest_copy(CopyDirection direction) const;
  const GpuCopy* smallest_copy(CopyDirection direction) const;
};

struct GpuCalibration : MeasuredRun {
  GpuFacts facts;
  std::string lost;  ///< why measuring ended before its end; empty: it did not
};

/// Measures device 0 of the runtime, with the others as its peers. What fails at one point is a warning; a lost device
/// ends measuring, and what was measured until then is returned. Throws UserError where there is nothing to measure.
GpuCalibration measure_gpu(cuda::Runtime& runtime, const GpuMeasureOptions& options);

}  // namespace moesaic
