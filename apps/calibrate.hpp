// moesaic calibrate: from measurements to machines and profiles.
#pragma once

#include <iosfwd>
#include <string>

namespace CLI {
class App;
}

namespace moesaic {

struct CalibrateOptions {
  std::string device;
  std::string output_file;
  double seconds = 100;
  int threads = 0;
  std::string measurements_file;
};

/// Adds the command's options, each bound to `options`.
void add_calibrate_options(CLI::App& command, CalibrateOptions& options);

/// Measures, and writes options.output_file. Progress and warnings go to `err`, a summary to `out`. Throws UserError.
void calibrate(const CalibrateOptions& options, std::ostream& out, std::ostream& err);

}  // namespace moesaic
