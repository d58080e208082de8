#include "apps/search.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ostream>

#include "apps/interrupt.hpp"
#include "apps/options.hpp"
#include "apps/output.hpp"
#include "apps/progress_line.hpp"
#include "apps/search_goal.hpp"
#include "apps/search_spaces.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/search.hpp"

namespace moesaic {
namespace {

/// Searches with a line of progress; Ctrl-C stops it.
SearchOutcome watched_search(const SearchSpace& space, const SearchGoal& goal, const Console& console) {
  const auto begin = std::chrono::steady_clock::now();
  SearchOutcome outcome;
  const Interrupt interrupt;
  {
    ProgressLine line(console.err);
    outcome = search(space, goal, [&](const SearchProgress& progress) {
      line.show({progress.done, progress.total,
                 fmt::format("mappings, {} candidates evaluated, {} pruned", progress.counts->evaluated,
                             progress.counts->pruned)});
      return !interrupt.flag();
    });
  }
  if (console.progress) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    const auto candidates = static_cast<double>(outcome.counts.candidates());
    console.err << fmt::format("searched {} candidates in {}: {} a second\n", count_text(candidates),
                               to_text(Seconds{seconds.count()}), rate_text(PerSecond{candidates / seconds.count()}));
  }
  return outcome;
}

}  // namespace

CLI::App* add_search_command(CLI::App& app, SearchOptions& options) {
  CLI::App* command = app.add_subcommand("search", "The best mapping of a model on so many devices, and why");
  Scenario& scenario = options.scenario;
  const auto add = [command](const char* name, std::string& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add("--model", scenario.model, "Model: a preset's name or part of it, or a Hugging Face config.json", "NAME|FILE")
      ->required();
  add("--machine", scenario.machine, "Machine: a cluster's, node's or device's name or part of it, or a JSON file",
      "NAME|FILE")
      ->required();
  add("--devices", options.devices, "Devices to use: one replica, or equal copies (default: one node's)", "N");
  add("--batch", options.batch, "Requests at once on all devices, or 'any': whatever is best (default)", "B|any");
  add("--input", options.input, "Prompt tokens of each request (default 1024)", "I");
  add("--output", options.output, "Generated tokens of each request (default 256)", "O");
  add("--step-tokens", options.step_tokens, "Most prefill tokens of one step (chunked prefill; default 8192)", "N");
  add("--objective", options.objective,
      "What is best: throughput (tokens of one device, default), tpot or ttft (least); of training throughput", "NAME");
  add("--slo", options.slo,
      "Longest time per output token and to the first token, either or both; of training, longest step",
      "tpot=50ms,ttft=2s");
  add("--top", options.top, "How many of the best mappings (default 10)", "K");
  add("--dtype", scenario.dtype, "Storage types by class, as of predict (default: the checkpoint's)",
      "weights=fp8,kv=bf16");
  add("--placement", scenario.placement,
      "Placement, as of predict (default: what the device is made for, else resident)", "NAME");
  add("--routing", scenario.routing, "Expert routing: uniform (default), even, zipf:EXPONENT, or a JSON file",
      "ROUTING");
  add("--exchange", scenario.exchange, "How tokens reach experts on other devices, as of predict (default auto)",
      "WAY");
  add("--overlap", scenario.overlap, "What runs beside what in a step, as of predict (default none)", "WAY");
  add("--fabric", options.fabric,
      "How collectives share the links of a cluster: closed-form (not at all, default), flows, simgrid: slow", "MODEL");
  add("--routes", scenario.routes, "Routing of a cluster's network, as of predict (default spray)", "POLICY");
  add("--profile", scenario.profile, "Cost of kernels, as of predict (default measured)", "NAME|FILE");
  command->add_flag("--training", options.training, "Steps of training instead of serving");
  TrainOptions& train = options.train;
  command->add_option("--global-batch", train.global_batch, "Of training: sequences of a step (default 256)")
      ->type_name("N");
  command->add_option("--sequence", train.sequence, "Of training: tokens of a sequence (default 4096)")->type_name("N");
  add("--micro-batch", options.micro_batch, "Of training: sequences that a replica works on at once (default any)",
      "N|any");
  add("--recompute", options.recompute, "Of training: none, selective, full (default any)", "WHAT|any");
  add("--zero", options.zero, "Of training: what data-parallel ranks divide, 0 to 3 (default any)", "STAGE|any");
  add("--schedule", options.schedule, "Of the pipeline of training, as train takes it (default any)", "NAME|any");
  add("--attention", train.attention, "Of training: fused (default) or unfused", "WAY");
  command
      ->add_option("--capacity-factor", train.capacity_factor,
                   "Of training: rows that an expert takes at most, of the even share (default 0: dropless)")
      ->type_name("F");
  command->add_option("--set", scenario.sets, "What-if: any figure of the machine or, with 'model.', of the model")
      ->type_name("PATH=VALUE");
  command->add_flag("--exhaustive", options.exhaustive,
                    "Evaluate candidates too whose limit rules them out: slower, the same answer");
  add_output_options(*command, options.format, options.output_file, {"text", "json", "html"});
  command->footer(
      "Example:\n  moesaic search --model DeepSeek-V3 --machine gb200-nvl72 --devices 32 --slo tpot=50ms --input 2048 "
      "--output 512");
  return command;
}

void run_search(const SearchOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  SearchGoal goal = parse_search_goal(options.training, options.objective, options.slo, options.top);
  goal.prune = !options.exhaustive;
  const auto report = [&](const auto& space) {
    const SearchOutcome outcome = watched_search(space, goal, console);
    if (outcome.best.empty() && outcome.stopped) {
      throw UserError("stopped before anything was found");
    }
    check_found(space, goal, outcome);
    return report_of(space, goal, outcome);
  };
  const SearchReport found = options.training ? report(training_space(options)) : report(serving_space(options));
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json"   ? search_json(found)
               : options.format == "html" ? search_page(found, command)
                                          : search_text(found, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
