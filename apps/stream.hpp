// moesaic stream: requests without end, prompts and decodes in the same passes, in the steady state.
#pragma once

#include <string>

#include "apps/scenario.hpp"
#include "apps/validate.hpp"

namespace moesaic {

/// One question in the words of the command line. Empty: the default.
struct StreamOptions {
  Scenario scenario;  ///< its load is not read
  std::string devices, input = "1024", output = "256", block = "1";
  std::string running, cache, pass_tokens, requests;
  std::string format = "text", output_file;
};

CLI::App* add_stream_command(CLI::App& app, StreamOptions& options);
/// `command`: as typed. Throws UserError.
void run_stream(const StreamOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
