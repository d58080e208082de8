// Measures this machine's CPU: what it can do, and how long kernels of language models take on it.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/measured_facts.hpp"
#include "calibrate/measurement.hpp"

namespace moesaic {

/// The stack of these measurements in profiles and files.
inline constexpr std::string_view kCpuStack = "moesaic-cpu";

struct CpuMeasureOptions {
  std::string device;                       ///< its name in the results; empty: made of the processor's name
  int threads = 0;                          ///< 0: one for every core
  Seconds budget{100};                      ///< for all points; below 10 s only few and small ones are planned
  const std::atomic<bool>* stop = nullptr;  ///< when it becomes true, what is done so far is returned
  std::function<void(const MeasureProgress&)> progress;
  Clock clock = steady_clock();
};

struct CpuBandwidth {
  std::string stream;  ///< "read", "copy", "triad"
  std::string level;   ///< "L2", "L3", "memory"
  Bytes footprint{};
  int threads = 1;
  BytesPerSecond rate{};
  Timing timing;
};

struct CpuNoise {
  double fixed_work_spread = 0;  ///< of a fixed chain of arithmetic: the worst of the beginning, the middle and the end
  std::size_t noisy_points = 0;  ///< whose repeats spread by more than 10%
  bool noisy = false;            ///< a tenth of the points, or the fixed work
};

/// What decode attention and a copy of weights into a staging buffer do to each other, as they share the memory.
struct CpuContention {
  int attention_threads = 1;                             ///< the copy has one
  BytesPerSecond attention_alone{}, attention_beside{};  ///< of the cache
  BytesPerSecond copy_alone{}, copy_beside{};            ///< of weights, read once and written once
  Timing timing;                                         ///< of attention beside the copy
};

struct CpuFacts {
  std::string device;
  std::string model;  ///< the processor's name
  int processors = 1;
  int cores = 1;
  int threads = 1;  ///< that were used
  Bytes memory{};
  Bytes l2{}, last_cache{};  ///< of all cores together
  bool caches_known = false;
  std::vector<CpuBandwidth> bandwidth;
  std::vector<MeasuredPeak> peaks;
  Seconds dispatch{};  ///< to start all threads and to wait for them; zero: not measured
  CpuNoise noise;
  std::optional<CpuContention> contention;

  /// The highest rate of reading from memory; null if it was not measured.
  const CpuBandwidth* memory_bandwidth() const;
};

struct CpuCalibration : MeasuredRun {
  CpuFacts facts;
};

/// Throws UserError for options that make no sense here.
CpuCalibration measure_cpu(const CpuMeasureOptions& options);

}  // namespace moesaic
