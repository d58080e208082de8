// moesaic calibrate: from measurements to machines and profiles.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "kernels/timing.hpp"

namespace CLI {
class App;
}

namespace moesaic {

struct MeasuredRun;
struct Profile;
namespace cuda {
class Runtime;
}

struct CalibrateOptions {
  std::string device;
  std::string output_file;
  std::optional<double> seconds;  ///< none: 100 for a CPU, 780 for a GPU
  int threads = 0;
  std::string measurements_file;
  std::vector<std::string> from;  ///< fit these measurements of `device` instead of measuring
  std::string stack;
  std::string date;
  std::string routing;  ///< of experts on a GPU, beside even and skewed ones
  Clock clock;          ///< for the budget on a GPU; none: the steady clock
};

/// Adds the command's options, each bound to `options`.
void add_calibrate_options(CLI::App& command, CalibrateOptions& options);

/// Fits a profile to the measurements of options.device and options.stack in the files options.from.
void calibrate_from(const CalibrateOptions& options, std::ostream& out, std::ostream& err);

/// Measures the GPUs of `runtime`.
void calibrate_gpu(cuda::Runtime& runtime, const CalibrateOptions& options, std::ostream& out, std::ostream& err);

/// The kernels of a fit and their errors, for people.
std::string fit_summary(const Profile& profile);
/// Says what to doubt and whether measuring was interrupted, and writes the measured rows where they were asked for:
/// first, as they are worth keeping even where they do not make a machine.
void keep_measured(const MeasuredRun& result, const CalibrateOptions& options, std::ostream& out, std::ostream& err);
/// The date that a fit of these options bears: theirs, else today's (UTC).
std::string fit_date(const CalibrateOptions& options);

/// Measures or fits, and writes options.output_file. Progress and warnings go to `err`, a summary to `out`. Throws
/// UserError.
void calibrate(const CalibrateOptions& options, std::ostream& out, std::ostream& err);

}  // namespace moesaic
