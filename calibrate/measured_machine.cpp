#include "calibrate/measured_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <numeric>

#include "calibrate/task_kernel.hpp"

namespace moesaic {

void keep_peak(std::vector<MeasuredPeak>& peaks, const MeasuredPeak& peak) {
  const auto known =
      std::find_if(peaks.begin(), peaks.end(), [&](const MeasuredPeak& other) { return other.dtype == peak.dtype; });
  if (known == peaks.end()) {
    peaks.push_back(peak);
  } else if (peak.rate > known->rate) {  // also a noisy one: noise makes nothing faster
    *known = peak;
  }
}

std::string name_with_dashes(const std::string& text, const std::string& fallback) {
  std::string device;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      device += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!device.empty() && device.back() != '-') {
      device += '-';
    }
  }
  while (device.ends_with('-')) {
    device.pop_back();
  }
  return device.empty() ? fallback : device;
}

std::string repeats(const Timing& timing) {
  return fmt::format("median of {} repeats, spread {:.1f}%{}", timing.samples, 100 * timing.spread,
                     timing.noisy ? " (noisy)" : "");
}

std::string all_peaks(std::span<const MeasuredPeak> peaks) {
  std::string text = "measured here, achieved and not theoretical: ";
  for (const MeasuredPeak& peak : peaks) {
    text += fmt::format("{}{} by {}, {}", &peak == peaks.data() ? "" : "; ", name(peak.dtype), peak.kernel,
                        repeats(peak.timing));
  }
  return text;
}

Measurements fastest_kernels(const Measurements& measurements) {
  Measurements fastest;
  fastest.files = measurements.files;
  std::map<std::pair<std::uint32_t, ShapeValues>, std::size_t> at;
  for (const Measurement& row : measurements.rows) {
    MeasurementKey key = measurements.key_of(row);
    if (kernel_operations(key.family).size() == 1) {
      key.kernel.clear();
    }
    Measurement copy = row;
    copy.key = fastest.key_index(key);
    const auto [found, is_new] = at.emplace(std::pair{copy.key, row.shape}, fastest.rows.size());
    if (is_new) {
      fastest.rows.push_back(copy);
    } else if (row.latency < fastest.rows[found->second].latency) {
      fastest.rows[found->second] = copy;
    }
  }
  return fastest;
}

std::optional<Profile> fit_measured_profile(const Measurements& measurements, const Machine& machine,
                                            const std::string& date) {
  const Measurements fastest = fastest_kernels(measurements);
  if (fastest.rows.empty()) {
    return std::nullopt;
  }
  std::vector<std::uint32_t> rows(fastest.rows.size());
  std::iota(rows.begin(), rows.end(), 0U);
  return fit_profile(fastest, rows, machine, {.surface = {}, .date = date, .threads = 0});
}

}  // namespace moesaic
