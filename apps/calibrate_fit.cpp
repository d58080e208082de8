// moesaic calibrate --from: from measurement files to a profile.
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <ostream>
#include <set>

#include "apps/calibrate.hpp"
#include "apps/output.hpp"
#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "calibrate/profile.hpp"
#include "calibrate/read_measurements.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostProfileBytes = 1 << 20;

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm date{};
  gmtime_r(&now, &date);
  return fmt::format("{:04}-{:02}-{:02}", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday);
}

/// The one stack of a device that `typed` names, whole or by its beginning ("vllm-0.24").
std::string stack_of(const Measurements& measurements, const std::string& device, const std::string& typed) {
  std::set<std::string> devices, stacks, meant;
  for (const MeasurementKey& key : measurements.keys) {
    devices.insert(key.device);
    if (key.device == device) {
      stacks.insert(key.stack);
      if (key.stack == typed) {
        return typed;
      }
      if (key.stack.starts_with(typed)) {
        meant.insert(key.stack);
      }
    }
  }
  if (stacks.empty()) {
    const std::vector<std::string> names(devices.begin(), devices.end());
    throw UserError(
        fmt::format("--device: no measurement of '{}' in these files{}", printable(device), suggest(device, names)));
  }
  if (meant.size() == 1) {
    return *meant.begin();
  }
  const std::vector<std::string> names(stacks.begin(), stacks.end());
  if (meant.empty()) {
    throw UserError(
        fmt::format("--stack: no measurement of '{}' on {}{}", printable(typed), device, suggest(typed, names)));
  }
  throw UserError(fmt::format("--stack: '{}' may be any of {}", printable(typed), fmt::join(meant, ", ")));
}

}  // namespace

std::string fit_date(const CalibrateOptions& options) { return options.date.empty() ? today() : options.date; }

std::string fit_summary(const Profile& profile) {
  std::string text = fmt::format("{:<20} {:<22} {:>7} {:>7} {:>16}  {}\n", "operator", "formats", "rows", "shapes",
                                 "left-out error", "kernel");
  for (const KernelSurface& surface : profile.surfaces) {
    const std::string formats = surface.kv_dtype.empty() ? surface.dtype : surface.dtype + " kv=" + surface.kv_dtype;
    const std::string error =
        surface.p90_error > 0 ? fmt::format("{:.1f} / {:.1f} %", surface.median_error * 100, surface.p90_error * 100)
                              : std::string("one shape only");
    text += fmt::format("{:<20} {:<22} {:>7} {:>7} {:>16}  {}\n", name(surface.family), formats, surface.rows,
                        surface.shapes, error, surface.kernel);
  }
  return text + fmt::format("{}: {} kernels; errors are median / 90th percentile on shapes left out\n", profile.name(),
                            profile.surfaces.size());
}

void calibrate_from(const CalibrateOptions& options, std::ostream& out, std::ostream& err) {
  if (options.stack.empty() || options.output_file.empty()) {
    throw UserError("--from: needs --stack, whose measurements to fit, and -o, the file to write the profile to");
  }
  const std::vector<std::filesystem::path> paths(options.from.begin(), options.from.end());
  const ReadResult read = read_measurements(paths);
  for (const SkippedRows& skipped : read.skipped) {
    err << fmt::format("moesaic: warning: {}: {} rows skipped; {}\n", skipped.file, skipped.rows, skipped.first_reason);
  }
  const std::string stack = stack_of(read.measurements, options.device, options.stack);
  const Machine machine = read_machine(load_machine_config(options.device));
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < read.measurements.rows.size(); ++i) {
    const MeasurementKey& key = read.measurements.key_of(read.measurements.rows[i]);
    if (key.device == options.device && key.stack == stack) {
      rows.push_back(i);
    }
  }
  ProfileOptions fit;
  fit.date = fit_date(options);
  fit.threads = options.threads;
  const Profile profile = fit_profile(read.measurements, rows, machine, fit);
  const std::string text = profile_json(profile);
  if (text.size() > kMostProfileBytes) {
    err << fmt::format("moesaic: warning: the profile has {} bytes; shipped ones may have {}\n", text.size(),
                       kMostProfileBytes);
  }
  write_result(text, options.output_file, out);
  out << fit_summary(profile) << fmt::format("{} bytes are in {}\n", text.size(), options.output_file);
}

}  // namespace moesaic
