// moesaic serve: requests that come, wait, run in a batch with others, and leave.
#pragma once

#include <string>

#include "apps/scenario.hpp"
#include "apps/validate.hpp"

namespace moesaic {

/// One question in the words of the command line. Empty: the default.
struct ServeOptions {
  Scenario scenario;  ///< its load is not read
  std::string devices, batch = "32", rate, input, output, trace;
  std::string requests = "1000", warm_up, seed = "1";
  std::string prompts = "mixed", step_tokens = "8192";
  bool whole_prompts = false;
  std::string slo;
  bool find_rate = false;
  std::string format = "text", output_file;
};

CLI::App* add_serve_command(CLI::App& app, ServeOptions& options);
/// `command` is the line that was typed. Throws UserError.
void run_serve(const ServeOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
