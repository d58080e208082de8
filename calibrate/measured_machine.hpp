// Private to calibrate: how measured facts become machines, of CPUs and GPUs alike.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibrate/measured_facts.hpp"
#include "calibrate/profile.hpp"

namespace moesaic {

/// A budget below which few and small points are measured.
inline constexpr Seconds kQuick{10};
/// Of all points: with more noisy ones the whole run counts as noisy.
inline constexpr double kNoisyShare = 0.1;

/// "AMD EPYC 7742 64-Core Processor" is "amd-epyc-7742-64-core-processor"; `fallback` where nothing is left.
std::string name_with_dashes(const std::string& text, const std::string& fallback);

/// Keeps the highest of each format.
void keep_peak(std::vector<MeasuredPeak>& peaks, const MeasuredPeak& peak);

/// How sure a figure is: "median of 7 repeats, spread 1.2%".
std::string repeats(const Timing& timing);
/// "measured here, achieved and not theoretical: bf16 by gemm ..., median of ...; fp8 by ...".
std::string all_peaks(std::span<const MeasuredPeak> peaks);

/// Of several kernels that do the same the fastest counts, shape by shape, as an engine would choose. Operations of one
/// family ("norm", "all_reduce") stay apart.
Measurements fastest_kernels(const Measurements& measurements);
/// Fits the fastest kernels on `machine`. None if no kernel was measured.
std::optional<Profile> fit_measured_profile(const Measurements& measurements, const Machine& machine,
                                            const std::string& date);

}  // namespace moesaic
