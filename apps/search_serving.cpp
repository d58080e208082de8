#include "apps/search_spaces.hpp"

#include <fmt/format.h>

#include "apps/scenario.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "model/mapping_space.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

/// The scenario's words with the counts read.
Scenario scenario_of(const SearchOptions& options) {
  Scenario scenario = options.scenario;
  read_count("--input", options.input, scenario.load.input);
  read_count("--output", options.output, scenario.load.output);
  read_count("--step-tokens", options.step_tokens, scenario.load.step_tokens);
  if (!options.devices.empty()) {
    scenario.devices = parse_count("--devices", options.devices);
  }
  return scenario;
}

}  // namespace

ServingSpace serving_space(const SearchOptions& options) {
  const Scenario scenario = scenario_of(options);
  ScenarioParts parts = read_scenario(scenario);
  ServingQuestion question;
  const std::int64_t there = parts.machine.total_devices();
  const std::int64_t devices = scenario.devices.value_or(parts.machine.devices);
  if (devices > there) {
    throw UserError(
        fmt::format("--devices: {} has {}, not {}", parts.machine.name, integer_text(there), integer_text(devices)));
  }
  question.devices = static_cast<int>(devices);
  question.mappings = list_mappings(parts.architecture, parts.machine, {.devices = question.devices});
  question.architecture = std::move(parts.architecture);
  question.precision = parts.precision;
  question.machine = std::move(parts.machine);
  question.placement = choose_placement(scenario, question.machine, question.architecture);
  question.placement->check(question.machine);
  question.cost = with_engine(parts.cost, scenario, *question.placement, question.machine.device.name);
  question.routing = scenario.routing;
  question.exchange = parse_exchange(scenario.exchange);
  question.features.overlap = parse_overlap(scenario.overlap);
  question.fabric = parse_fabric_model(options.fabric);
  question.routes = RouteChoice{parse_route_policy(scenario.routes)};
  question.load = scenario.load;
  if (options.batch != "any") {
    question.batch = parse_count("--batch", options.batch);
  }
  return ServingSpace(std::move(question));
}

namespace {

/// Nothing fits: by how much, and what would.
[[noreturn]] void fail_unfit(const ServingSpace& space, const SearchOutcome& outcome) {
  const ServingQuestion& question = space.question();
  std::string message = fmt::format("--devices: no mapping of {} fits on {} of {}", question.architecture.name,
                                    integer_text(question.devices), question.machine.name);
  if (outcome.nearest_fit) {
    const std::size_t mapping = *outcome.nearest_fit;
    message += fmt::format("; the nearest, {}, lacks {} on each device", to_text(question.mappings[mapping]),
                           to_text(outcome.missing));
    const FitAdvice advice = fit_advice(space.deployment(mapping), space.smallest_load(mapping));
    message += advice.fewest_devices ? fmt::format("; {} devices would hold it ({})",
                                                   integer_text(*advice.fewest_devices), *advice.fewest_mapping)
                                     : "; no number of devices up to 4,096 would hold it";
  }
  throw UserError(message);
}

/// Nothing is fast enough: the fastest that there is, for each time asked for.
[[noreturn]] void fail_slow(const ServingSpace& space, const SearchGoal& goal) {
  std::string message = fmt::format("--slo: no mapping of {} devices keeps ", integer_text(space.question().devices));
  std::string best;
  const auto add = [&](const char* key, const std::optional<Seconds>& most, SearchObjective objective) {
    if (!most) {
      return;
    }
    message += fmt::format("{}{}={}", best.empty() ? "" : " and ", key, to_text(*most));
    const SearchOutcome fastest = search(space, {.objective = objective, .top = 1});
    if (fastest.best.empty()) {  // what was pruned as too slow does not fit either
      fail_unfit(space, fastest);
    }
    const SearchHit& hit = fastest.best.front();
    const Seconds time = objective == SearchObjective::pace ? hit.figures.pace : hit.figures.first;
    best += fmt::format("; the least {} is {}, of {} at batch {}", key, to_text(time),
                        to_text(space.question().mappings[hit.mapping]), space.load(hit).batch);
  };
  add("tpot", goal.most_pace, SearchObjective::pace);
  add("ttft", goal.most_first, SearchObjective::first);
  throw UserError(message + best);
}

}  // namespace

void check_found(const ServingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome) {
  if (outcome.best.empty() && outcome.counts.evaluated + outcome.counts.pruned == 0) {
    fail_unfit(space, outcome);
  }
  if (outcome.best.empty()) {
    fail_slow(space, goal);
  }
}

SearchReport report_of(const ServingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome) {
  const ServingQuestion& question = space.question();
  SearchReport report;
  report.model = question.architecture.name;
  report.machine = question.machine.name;
  report.cost_model = question.cost->name();
  report.load =
      fmt::format("{} tokens in, {} out", integer_text(question.load.input), integer_text(question.load.output)) +
      (question.batch ? fmt::format(", {} requests at once", integer_text(*question.batch)) : "");
  report.devices = question.devices;
  report.goal = goal;
  report.counts = outcome.counts;
  report.stopped = outcome.stopped;
  for (const SearchHit& hit : outcome.best) {
    report.best.push_back(serving_row(space, hit, goal.objective));
  }
  for (const SearchHit& hit : outcome.front) {
    report.front.push_back(serving_row(space, hit, goal.objective));
  }
  return report;
}

}  // namespace moesaic
