// moesaic calibrate: from measurements to machines and profiles.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

struct Profile;

struct CalibrateOptions {
  std::string device;
  std::string output_file;
  double seconds = 100;
  int threads = 0;
  std::string measurements_file;
  std::vector<std::string> from;  ///< fit these measurements of `device` instead of measuring
  std::string stack;
  std::string date;
};

/// Adds the command's options, each bound to `options`.
void add_calibrate_options(CLI::App& command, CalibrateOptions& options);

/// Fits a profile to the measurements of options.device and options.stack in the files options.from.
void calibrate_from(const CalibrateOptions& options, std::ostream& out, std::ostream& err);

/// The kernels of a fit and their errors, for people.
std::string fit_summary(const Profile& profile);
/// The date that a fit of these options bears: theirs, else today's (UTC).
std::string fit_date(const CalibrateOptions& options);

/// Measures or fits, and writes options.output_file. Progress and warnings go to `err`, a summary to `out`. Throws
/// UserError.
void calibrate(const CalibrateOptions& options, std::ostream& out, std::ostream& err);

}  // namespace moesaic
