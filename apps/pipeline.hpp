// moesaic pipeline: a training step over pipeline stages under one schedule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

struct PipelineOptions {
  std::string schedule = "1f1b";
  std::int64_t stages = 1, chunks = 1, micro_batches = 1;
  /// One time for all runs of layers, or one for each: of all stages' first runs, then of their second ones.
  std::vector<std::string> forward, backward_input, backward_weights, both_ways;
  std::string transfer = "0 s";
  std::string format = "text", output_file;
};

CLI::App* add_pipeline_command(CLI::App& app, PipelineOptions& options);
/// Throws UserError. `command`: the command line, for a page; `rich`: for a terminal.
std::string pipeline_result(const PipelineOptions& options, const std::string& command, bool rich);

}  // namespace moesaic
