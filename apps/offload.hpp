// moesaic offload: the best placement of a model on a device and its host.
#pragma once

#include <string>

#include "apps/scenario.hpp"
#include "apps/validate.hpp"

namespace moesaic {

/// `moesaic offload` in the words of the command line.
struct OffloadOptions {
  Scenario scenario;
  std::string devices, batch = "1", input, output, step_tokens = "any";
  std::string objective, slo, top = "10";
  std::string srp, cache_policy;  ///< of a cache of experts; both empty: none but that of --placement
  std::string write;              ///< a file for the best placement
  std::string format = "text";
  std::string output_file;
};

CLI::App* add_offload_command(CLI::App& app, OffloadOptions& options);

/// Throws UserError.
void run_offload(const OffloadOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
