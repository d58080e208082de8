// moesaic search: the best mapping of a model on so many devices.
#pragma once

#include <string>

#include "apps/scenario.hpp"
#include "apps/train.hpp"
#include "apps/validate.hpp"

namespace moesaic {

/// `moesaic search` in the words of the command line.
struct SearchOptions {
  Scenario scenario;
  std::string devices, batch = "any", input, output, step_tokens;
  std::string objective = "throughput", slo, top = "10";
  std::string fabric = "closed-form";  ///< not the scenario's default: contention is slow to work out
  bool exhaustive = false;
  bool training = false;
  TrainOptions train;  ///< batch, sequence and what is not searched; the rest is the scenario's
  std::string micro_batch = "any", recompute = "any", zero = "any", schedule = "any";
  std::string format = "text";
  std::string output_file;
};

CLI::App* add_search_command(CLI::App& app, SearchOptions& options);

/// Throws UserError.
void run_search(const SearchOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
