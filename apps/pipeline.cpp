#include "apps/pipeline.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/options.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/pipeline.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostRuns = 4096;
constexpr std::int64_t kMostMicroBatches = 1 << 20;

std::vector<Seconds> read_times(const std::string& option, const std::vector<std::string>& texts, std::size_t runs) {
  if (texts.empty()) {
    return std::vector<Seconds>(runs);
  }
  if (texts.size() != 1 && texts.size() != runs) {
    throw UserError(fmt::format("{}: {} times for {} runs of layers; give one for all, or one for each", option,
                                texts.size(), runs));
  }
  std::vector<Seconds> times;
  for (const std::string& text : texts) {
    try {
      times.push_back(parse_quantity<Seconds>(text));
    } catch (const UserError& error) {
      throw UserError(option + ": " + error.what());
    }
  }
  times.resize(runs, times.front());
  return times;
}

std::int64_t count(const char* option, std::int64_t value, std::int64_t most) {
  if (value < 1 || value > most) {
    throw UserError(fmt::format("{}: found {}, allowed are 1 to {}", option, value, most));
  }
  return value;
}

PipelineProblem read_problem(const PipelineOptions& options) {
  PipelineProblem problem;
  problem.schedule = parse_pipeline_schedule(options.schedule);
  problem.stages = static_cast<int>(count("--stages", options.stages, kMostRuns));
  problem.chunks = static_cast<int>(count("--chunks", options.chunks, kMostRuns / problem.stages));
  problem.micro_batches = count("--micro-batches", options.micro_batches, kMostMicroBatches);
  const auto runs = static_cast<std::size_t>(problem.stages) * static_cast<std::size_t>(problem.chunks);
  if (options.forward.empty() || options.backward_input.empty()) {
    throw UserError("--forward, --backward-input: both are needed, e.g. --forward 1ms --backward-input 2ms");
  }
  if (!options.both_ways.empty() && problem.schedule != PipelineSchedule::dual_pipe) {
    throw UserError(fmt::format("--both-ways: {} never works both ways at once, only dualpipe does; leave it out",
                                name(problem.schedule)));
  }
  const auto forward = read_times("--forward", options.forward, runs);
  const auto input = read_times("--backward-input", options.backward_input, runs);
  const auto weights = read_times("--backward-weights", options.backward_weights, runs);
  const auto both = read_times("--both-ways", options.both_ways, runs);
  for (std::size_t run = 0; run < runs; ++run) {
    problem.times.push_back({forward[run], input[run], weights[run], both[run]});
  }
  problem.transfer = read_times("--transfer", {options.transfer}, 1).front();
  return problem;
}

}  // namespace

CLI::App* add_pipeline_command(CLI::App& app, PipelineOptions& options) {
  CLI::App* command = app.add_subcommand("pipeline", "A training step over pipeline stages: its schedule and bubbles");
  command
      ->add_option("--schedule", options.schedule, "gpipe, 1f1b (default), interleaved, zero-bubble (ZB-H1), dualpipe")
      ->type_name("NAME");
  command->add_option("--stages", options.stages, "Pipeline stages")->type_name("N")->required();
  command->add_option("--chunks", options.chunks, "Runs of layers that each stage holds (interleaved)")->type_name("N");
  command->add_option("--micro-batches", options.micro_batches, "Micro-batches of a step")->type_name("N")->required();
  const auto add_times = [&](const char* name, std::vector<std::string>& times, const char* what) {
    command->add_option(name, times, what)->type_name("TIME,...")->delimiter(',');
  };
  add_times("--forward", options.forward, "Of one run of layers and one micro-batch, or of each run");
  add_times("--backward-input", options.backward_input, "Gradients of inputs, recomputation included");
  add_times("--backward-weights", options.backward_weights, "Gradients of weights (default 0: counted in the former)");
  add_times("--both-ways", options.both_ways,
            "A forward and a whole backward at once, of dualpipe (default: one after the other)");
  command->add_option("--transfer", options.transfer, "To the next stage, beside computation (default 0 s)")
      ->type_name("TIME");
  add_output_options(*command, options.format, options.output_file, {"text", "json", "html"});
  command->footer(
      "Example:\n  moesaic pipeline --schedule zero-bubble --stages 4 --micro-batches 8 --forward 1ms --backward-input "
      "1ms --backward-weights 1ms");
  return command;
}

std::string pipeline_result(const PipelineOptions& options, const std::string& command, bool rich) {
  const PipelineReport report = report_pipeline(read_problem(options), options.format != "json");
  if (options.format == "html") {
    return pipeline_page(report, command);
  }
  return options.format == "json" ? pipeline_json(report) : pipeline_text(report, {.rich = rich});
}

}  // namespace moesaic
