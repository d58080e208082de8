#include "apps/offload.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ostream>
#include <string_view>
#include <utility>

#include "apps/interrupt.hpp"
#include "apps/options.hpp"
#include "apps/output.hpp"
#include "apps/progress_line.hpp"
#include "apps/search_goal.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/offload.hpp"
#include "sim/expert_cache.hpp"

namespace moesaic {
namespace {

/// What of a placement a search takes as given.
HybridDescription assumed_of(const std::string& placement, const std::vector<std::string>& sets) {
  constexpr std::array<std::string_view, 12> kGiven = {"experts.prefetch",     "experts.cache",   "experts.deferred",
                                                       "experts.host_tokens",  "experts.evicted", "experts.buffered",
                                                       "experts.copied_bytes", "experts.skipped", "activations.tokens",
                                                       "cache.attended",       "copies",          "sockets"};
  for (const std::string& set : sets) {
    if (std::none_of(kGiven.begin(), kGiven.end(), [&](std::string_view key) { return set.starts_with(key); })) {
      throw UserError(fmt::format("--set: 'placement.{}' is what offload searches for; given can be placement.{}",
                                  printable(set), fmt::join(kGiven, ", placement.")));
    }
  }
  if (!placement.empty()) {
    const auto given = find_hybrid(placement, sets);
    if (!given) {
      throw UserError(
          fmt::format("--placement: '{}' divides nothing between a device and its host", printable(placement)));
    }
    return *given;
  }
  HybridDescription assumed;
  assumed.missing = MissingExperts::fetched;  // the only one that takes a prefetcher
  return with_changes(assumed, sets);
}

double share_of(const char* option, std::string_view text) {
  double share = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  if (error != std::errc() || end != text.data() + text.size() || !(share > 0) || share > 1) {
    throw UserError(fmt::format("{}: '{}' is not a number above 0 and up to 1", option, printable(text)));
  }
  return share;
}

/// A cache of experts on the device, as the options change what is given.
void assume_cache(const OffloadOptions& options, HybridDescription& assumed) {
  if (options.srp.empty() && options.cache_policy.empty()) {
    return;
  }
  assumed.name = "offload";
  CachedExperts cached = assumed.cached.value_or(CachedExperts{});
  if (!options.cache_policy.empty()) {
    cached.policy = options.cache_policy;
    try {
      parse_cache_policy(cached.policy);
    } catch (const UserError& error) {
      throw UserError(std::string("--cache-policy: ") + error.what());
    }
  }
  if (!options.srp.empty()) {
    const std::size_t at = options.srp.find('@');
    cached.segment_performance = share_of("--srp", std::string_view(options.srp).substr(0, at));
    cached.segment = at == std::string::npos ? cached.segment : parse_positive("--srp", options.srp.substr(at + 1));
    cached.repeat = 0;
  }
  assumed.cached = cached;
}

OffloadQuestion question_of(const OffloadOptions& options) {
  Scenario scenario = options.scenario;
  read_count("--input", options.input, scenario.load.input);
  read_count("--output", options.output, scenario.load.output);
  if (!options.devices.empty()) {
    scenario.devices = parse_count("--devices", options.devices);
  }
  const std::vector<std::string> sets = placement_settings(scenario.sets);
  std::erase_if(scenario.sets, [](const std::string& set) { return set.starts_with("placement."); });
  const std::string given = std::exchange(scenario.placement, {});
  const auto hybrid = given.empty() ? std::nullopt : find_hybrid(given, {});
  if (scenario.engine.empty() && hybrid) {
    scenario.engine = hybrid->engine;
  }
  const Deployment resident = make_deployment(scenario);
  OffloadQuestion question{.architecture = resident.plan.architecture(),
                           .precision = resident.plan.precision(),
                           .machine = resident.plan.machine(),
                           .mapping = resident.plan.mapping(),
                           .cost = resident.cost,
                           .routing = scenario.routing,
                           .load = scenario.load,
                           .batch = std::nullopt,
                           .step_tokens = std::nullopt,
                           .assumed = assumed_of(given, sets)};
  question.assumed.engine = scenario.engine == "none" ? "" : scenario.engine;
  assume_cache(options, question.assumed);
  if (options.batch != "any") {
    question.batch = parse_count("--batch", options.batch);
  }
  if (options.step_tokens != "any") {
    question.step_tokens = parse_count("--step-tokens", options.step_tokens);
  }
  return question;
}

/// Searches with a line of progress; Ctrl-C stops it.
OffloadOutcome watched_search(const OffloadQuestion& question, const SearchGoal& goal, const Console& console) {
  const auto begin = std::chrono::steady_clock::now();
  OffloadOutcome outcome;
  const Interrupt interrupt;
  try {
    ProgressLine line(console.err);
    outcome = search_offload(question, goal, [&](const SearchProgress& progress) {
      line.show({progress.done, progress.total,
                 fmt::format("placements of a kind, {} evaluated", progress.counts->evaluated)});
      return !interrupt.flag();
    });
  } catch (const UserError& error) {
    // Of a cache that came from no placement.
    const std::string_view message = error.what(), of_cache = "--placement: 'offload': experts.cache: ";
    throw message.starts_with(of_cache) ? UserError("--srp: " + std::string(message.substr(of_cache.size()))) : error;
  }
  if (console.progress) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    console.err << fmt::format("searched {} candidates in {}\n",
                               count_text(static_cast<double>(outcome.counts.candidates())),
                               to_text(Seconds{seconds.count()}));
  }
  return outcome;
}

Bytes all_weights(const StepPlan& plan) {
  Bytes bytes = plan.embedding_weights();
  for (std::size_t i = 0; i < plan.architecture().kinds.size(); ++i) {
    bytes += plan.layer_weights(i) * static_cast<double>(plan.architecture().count_of_kind(static_cast<int>(i)));
  }
  return bytes * plan.mapping().devices();
}

[[noreturn]] void fail_unfit(const OffloadQuestion& question, const OffloadOutcome& outcome) {
  const Machine& machine = question.machine;
  const Bytes weights = all_weights(deployment_of(question, {}).plan);
  const auto smaller = smaller_type_that_fits(question);
  const int devices = question.mapping.devices();
  throw UserError(fmt::format(
      "--machine: {} has {} of weights, and no placement fits on {} ({}{}, {} on the host{}): the least lacks {}; {}",
      question.architecture.name, to_text(weights), machine.name,
      devices > 1 ? fmt::format("{} devices of ", devices) : "", to_text(machine.device.memory.capacity),
      to_text(machine.host->memory.capacity),
      machine.host->storage ? fmt::format(", {} on storage", to_text(machine.host->storage->capacity)) : "",
      to_text(outcome.missing),
      smaller ? fmt::format("--dtype {} would fit", *smaller) : "no smaller storage type would fit"));
}

[[noreturn]] void fail_slow(const OffloadQuestion& question, const SearchGoal& goal) {
  std::string message = fmt::format("--slo: no placement on {} keeps ", question.machine.name), best;
  const auto add = [&](const char* key, const std::optional<Seconds>& most, SearchObjective objective) {
    if (most) {
      message += fmt::format("{}{}={}", best.empty() ? "" : " and ", key, to_text(*most));
      const OffloadCandidate fastest = search_offload(question, {.objective = objective, .top = 1}).best.front();
      best += fmt::format("; the least {} is {}", key,
                          to_text(objective == SearchObjective::pace ? fastest.figures.pace : fastest.figures.first));
    }
  };
  add("tpot", goal.most_pace, SearchObjective::pace);
  add("ttft", goal.most_first, SearchObjective::first);
  throw UserError(message + best);
}

OffloadReport report_of(const OffloadQuestion& question, const SearchGoal& goal, const OffloadOutcome& outcome) {
  OffloadReport report;
  report.model = question.architecture.name;
  report.machine = question.machine.name;
  report.load = fmt::format("{} of {} + {} tokens",
                            !question.batch        ? "any number of requests"
                            : *question.batch == 1 ? "1 request"
                                                   : integer_text(*question.batch) + " requests",
                            integer_text(question.load.input), integer_text(question.load.output));
  report.goal = goal;
  report.stream = question.stream;
  report.counts = outcome.counts;
  report.stopped = outcome.stopped;
  const double best = score(outcome.best.front().figures, goal.objective);
  const auto rows = [&](const std::vector<OffloadCandidate>& candidates, std::vector<OffloadRow>& out) {
    for (const OffloadCandidate& candidate : candidates) {
      out.push_back(offload_row(question, candidate));
      out.back().speed = score(candidate.figures, goal.objective) / best;
    }
  };
  rows(outcome.best, report.best);
  rows(outcome.of_kinds, report.of_kinds);
  const OffloadCandidate& first = outcome.best.front();
  const Deployment deployment = deployment_of(question, first.description);
  report.best.front().prediction.elasticity = elasticities(deployment, first.load);
  report.decode = resource_work(deployment, first.load, Phase::decode);
  report.prefill = resource_work(deployment, first.load, Phase::prefill);
  return report;
}

}  // namespace

CLI::App* add_offload_command(CLI::App& app, OffloadOptions& options) {
  CLI::App* command = app.add_subcommand("offload", "The best placement of a model on a device and its host, and why");
  Scenario& scenario = options.scenario;
  const auto add = [command](const char* name, std::string& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add("--model", scenario.model, "Model: a preset's name or part of it, or a Hugging Face config.json", "NAME|FILE")
      ->required();
  add("--machine", scenario.machine, "Machine with a host: a node's name or part of it, or a JSON file", "NAME|FILE")
      ->required();
  add("--devices", options.devices, "Devices of the replica (default: all of a node that divide the model)", "N");
  add("--map", scenario.map, "Mapping on them, as of predict (default: from --devices)", "tp=T,ep=E");
  add("--batch", options.batch, "Requests at once (default 1), or 'any': whatever is best", "B|any");
  add("--input", options.input, "Prompt tokens of each request (default 1024)", "I");
  add("--output", options.output, "Generated tokens of each request (default 256)", "O");
  add("--step-tokens", options.step_tokens, "Most prefill tokens of one step, or 'any': whatever is best (default)",
      "N|any");
  add("--objective", options.objective,
      "What is best: tpot (default for one request), throughput (default for more), ttft, or stream: throughput of "
      "requests without end, prompts and decodes in the same passes",
      "NAME");
  add("--slo", options.slo, "Longest time per output token and to the first token, either or both",
      "tpot=50ms,ttft=2s");
  add("--top", options.top, "How many of the best placements (default 10)", "K");
  add("--dtype", scenario.dtype, "Storage types by class, as of predict (default: the checkpoint's)",
      "weights=int4,kv=bf16");
  add("--routing", scenario.routing, "Expert routing: uniform (default), even, zipf:EXPONENT, or a JSON file",
      "ROUTING");
  add("--srp", options.srp,
      "Chosen experts are copied into a cache on the device, whose hits are simulated over routing of this SRP, of "
      "segments of M tokens (default 16)",
      "F[@M]");
  add("--cache-policy", options.cache_policy, "The same by this policy (default lru), as of moesaic cache", "NAME");
  add("--profile", scenario.profile, "Cost of kernels, as of predict (default measured)", "NAME|FILE");
  add("--placement", scenario.placement,
      "A placement whose prefetcher, copies and engine are given; what is where is searched", "NAME|FILE");
  add("--engine", scenario.engine, "Engine that runs it, as of predict (default: that of --placement, else none)",
      "NAME|FILE");
  command
      ->add_option("--set", scenario.sets,
                   "What-if: any figure of the machine; of the model with 'model.'; with 'placement.' what is not "
                   "searched: experts.prefetch, experts.cache, experts.deferred, experts.host_tokens, experts.evicted, "
                   "experts.buffered, experts.copied_bytes, experts.skipped, activations.tokens, cache.attended, "
                   "copies, sockets")
      ->type_name("PATH=VALUE");
  add("--write", options.write, "Write the best placement to this file, for predict --placement", "FILE");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer("Example:\n  moesaic offload --model Mixtral-8x7B --machine desktop-4090 --dtype weights=int4");
  return command;
}

void run_offload(const OffloadOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  check_output("--write", options.write);
  const std::string objective = !options.objective.empty() ? options.objective
                                : options.batch == "1"     ? "tpot"
                                                           : "throughput";
  const bool stream = objective == "stream";
  SearchGoal goal = parse_search_goal(false, stream ? "throughput" : objective, options.slo, options.top);
  OffloadQuestion question = question_of(options);
  question.stream = stream;
  goal.prune = !question.batch;  // bounds tell batches apart; of one batch they rule out less than they take
  const OffloadOutcome outcome = watched_search(question, goal, console);
  if (outcome.best.empty() && outcome.stopped) {
    throw UserError("stopped before anything was found");
  }
  if (outcome.best.empty() && outcome.counts.evaluated + outcome.counts.pruned == 0) {
    fail_unfit(question, outcome);
  }
  if (outcome.best.empty()) {
    fail_slow(question, goal);
  }
  const OffloadReport report = report_of(question, goal, outcome);
  if (!options.write.empty()) {
    write_result(placement_file(report.best.front(), "offload", command), options.write, console.out, "--write");
  }
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json" ? offload_json(report) : offload_text(report, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
