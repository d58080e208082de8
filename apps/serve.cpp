#include "apps/serve.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <ostream>

#include "apps/interrupt.hpp"
#include "apps/options.hpp"
#include "apps/output.hpp"
#include "apps/progress_line.hpp"
#include "apps/request_trace.hpp"
#include "base/error.hpp"
#include "calibrate/csv.hpp"
#include "reports/names.hpp"
#include "reports/serving.hpp"

namespace moesaic {
namespace {

RequestLoad requests_of(const ServeOptions& options) {
  const auto lengths = [](const char* option, const std::string& text, const char* otherwise) {
    return parse_lengths(option, text.empty() ? otherwise : text);
  };
  RequestLoad load{.input = lengths("--input", options.input, "1024"),
                   .output = lengths("--output", options.output, "256")};
  if (!options.trace.empty()) {
    if (!options.input.empty() || !options.output.empty()) {
      throw UserError("--trace: has the lengths of prompts and answers; leave out --input and --output");
    }
    load.trace = read_request_trace(options.trace);
  }
  if (!options.rate.empty()) {
    const std::optional<double> rate = parse_number(options.rate);
    if (!rate || *rate <= 0) {
      throw UserError(
          fmt::format("--rate: '{}' is not a number of requests per second above zero; leave it out for a "
                      "closed loop",
                      printable(options.rate)));
    }
    load.rate = PerSecond{*rate};
  }
  const std::int64_t seed = parse_count("--seed", options.seed);
  if (seed < 0) {
    throw UserError(fmt::format("--seed: {} is below zero", seed));
  }
  load.seed = static_cast<std::uint64_t>(seed);
  return load;
}

/// Everything but the batch, which may depend on the machine's memory, and the warm-up, which depends on the batch.
ServingLoad load_of(const ServeOptions& options) {
  ServingLoad load{.requests = requests_of(options), .rules = {}};
  load.rules.exclusive = options.prompts == "exclusive";
  load.rules.whole_prompts = options.whole_prompts;
  load.rules.step_tokens = parse_count("--step-tokens", options.step_tokens);
  load.count = parse_count("--requests", options.requests);
  if (options.batch != "max") {
    load.rules.batch = parse_count("--batch", options.batch);
  }
  load.warm_up = options.warm_up.empty() ? 0 : parse_count("--warm-up", options.warm_up);
  check(load);
  return load;
}

/// As many requests as asked for, or as fit; of their mean length.
std::int64_t batch_of(const ServeOptions& options, const ServingLoad& load, const ServingSystem& system) {
  const MeanLengths mean = mean_lengths(load.requests);
  const double context = mean.input + mean.output;
  const std::string request =
      fmt::format("{} + {} tokens", count_text(std::round(mean.input)), count_text(std::round(mean.output)));
  if (options.batch != "max" && system.fits(static_cast<double>(load.rules.batch), context)) {
    return load.rules.batch;
  }
  const std::int64_t most = most_requests(system, context);
  if (most < 1) {
    throw UserError(
        fmt::format("not even one request of {} fits into memory; moesaic predict says what would help", request));
  }
  if (options.batch != "max") {
    throw UserError(
        fmt::format("--batch: {} requests of {} do not fit into memory; the most that do are {} (--batch max)",
                    load.rules.batch, request, most));
  }
  return std::min<std::int64_t>(most, 1 << 20);
}

/// Runs, or searches, with a line of progress; Ctrl-C stops it and keeps what there is.
void run(const ServeOptions& options, const ServingSystem& system, const Console& console, ServingReport& report) {
  const Interrupt interrupt;
  ProgressLine line(console.err);
  const auto watch = [&](std::int64_t ended) {
    line.show({static_cast<std::size_t>(ended), static_cast<std::size_t>(report.load.count),
               "requests have ended (Ctrl-C stops and keeps them)"});
    return !interrupt.flag();
  };
  if (!options.find_rate) {
    report.record = serve(report.load, system, watch);
    report.figures = serving_figures(report.record);
    return;
  }
  report.search = sustainable_rate(report.load, system, report.goals, watch);
  const SustainableRate& found = *report.search;
  if (found.rate <= PerSecond{}) {
    if (found.stopped) {
      throw UserError("stopped before a rate was found that can be sustained");
    }
    throw UserError(fmt::format("--find-rate: {}; the lowest rate that was tried is {} requests/s",
                                report.goals.empty() ? "no rate is kept up with" : "no rate holds --slo " + options.slo,
                                rate_text(found.tried.back().rate)));
  }
  report.record = found.record;
  report.figures = serving_figures(report.record);
  report.load.requests.rate = found.rate;
}

}  // namespace

CLI::App* add_serve_command(CLI::App& app, ServeOptions& options) {
  CLI::App* command = app.add_subcommand("serve", "Requests that come and go: latencies of continuous batching");
  const auto add = [command](const char* name, std::string& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add_deployment_options(*command, options.scenario, options.devices);
  add("--batch", options.batch,
      "Most requests at once, of a closed loop also how many users there are (default 32); max: as many as fit",
      "B|max");
  add("--rate", options.rate, "Poisson arrivals, requests per second (default: a closed loop, every user asks again)",
      "R");
  add("--input", options.input, "Prompt tokens: a number, gaussian:MEAN:DEVIATION, uniform:LEAST:MOST (default 1024)",
      "LENGTHS");
  add("--output", options.output, "Generated tokens, likewise (default 256)", "LENGTHS");
  add("--trace", options.trace, "Lengths from a file instead: CSV or JSON with input and output (docs/serve.md)",
      "FILE");
  add("--requests", options.requests, "Requests that are counted (default 1000)", "N");
  add("--warm-up", options.warm_up, "Requests before them (default: the batch); 0: a closed loop begins all together",
      "N");
  add("--seed", options.seed, "Of lengths and arrivals (default 1)", "S");
  add("--prompts", options.prompts,
      "mixed: prompts ride on decode steps (default); exclusive: they have steps of their own, decodes wait", "WAY")
      ->check(CLI::IsMember({"mixed", "exclusive"}));
  add("--step-tokens", options.step_tokens, "Most tokens of one step; longer prompts are cut (default 8192)", "N");
  command->add_flag("--whole-prompts", options.whole_prompts, "Prompts are never cut, however long");
  add("--slo", options.slo, "Longest latencies, of ttft, tbt, tpot, e2e, by .mean, .p50, .p90 or .p99 (default .p99)",
      "tpot=50ms,ttft.p50=2s");
  command->add_flag("--find-rate", options.find_rate,
                    "Finds the highest rate at which the queue does not grow and --slo holds");
  add_running_options(*command, options.scenario);
  add_output_options(*command, options.format, options.output_file, {"text", "json", "csv", "html"});
  command->footer(
      "Example:\n  moesaic serve --model Mixtral-8x7B --machine dgx-h100 --devices 4 --batch 64 --input "
      "gaussian:1024:256 "
      "--output gaussian:256:64");
  return command;
}

void run_serve(const ServeOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  if (options.find_rate && !options.rate.empty()) {
    throw UserError("--rate: --find-rate finds it; give one of them");
  }
  ServingReport report;
  report.load = load_of(options);
  report.goals = parse_serving_goals(options.slo);
  Scenario scenario = options.scenario;
  if (!options.devices.empty()) {
    scenario.devices = parse_count("--devices", options.devices);
  }
  const Deployment deployment = make_deployment(scenario);
  const double prompt = longest_prompt(report.load.requests);
  const auto step_tokens = static_cast<double>(report.load.rules.step_tokens);
  const ServingSystem system =
      serving_system(deployment, prompt, report.load.rules.whole_prompts ? std::max(prompt, step_tokens) : step_tokens);
  report.load.rules.batch = batch_of(options, report.load, system);
  report.load.warm_up = options.warm_up.empty() ? report.load.rules.batch : report.load.warm_up;
  report.deployed = deployed(deployment);
  report.trace = options.trace;
  run(options, system, console, report);
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json"   ? serving_json(report)
               : options.format == "csv"  ? serving_csv(report)
               : options.format == "html" ? serving_page(report, command)
                                          : serving_text(report, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
