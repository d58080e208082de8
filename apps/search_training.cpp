#include <fmt/format.h>

#include "apps/search_spaces.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "model/mapping_space.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

constexpr int kMostVirtualStages = 8;

/// The words of `moesaic train` that mean the same; what varies has the default.
TrainOptions train_options(const SearchOptions& options) {
  TrainOptions train = options.train;
  const Scenario& scenario = options.scenario;
  train.model = scenario.model;
  train.machine = scenario.machine;
  train.dtype = scenario.dtype;
  train.routing = scenario.routing;
  train.profile = scenario.profile;
  train.sets = scenario.sets;
  if (!options.devices.empty()) {
    train.devices = parse_count("--devices", options.devices);
    if (train.devices < 1) {
      throw UserError(fmt::format("--devices: {} is not a whole number from 1", train.devices));
    }
  }
  if (options.micro_batch != "any") {
    train.micro_batch = parse_count("--micro-batch", options.micro_batch);
  }
  const auto fix = [](const std::string& text, std::string& value) {
    if (text != "any") {
      value = text;
    }
  };
  fix(options.recompute, train.recompute);
  fix(options.zero, train.zero);
  fix(options.schedule, train.schedule);
  return train;
}

void check_counts(const Training& training) {
  const auto positive = [](const char* option, std::int64_t value, std::int64_t most) {
    if (value < 1 || value > most) {
      throw UserError(fmt::format("{}: {} is not a whole number from 1 to {}", option, value, most));
    }
  };
  positive("--global-batch", training.global_batch, 1 << 24);
  positive("--micro-batch", training.micro_batch, 1 << 20);
  positive("--sequence", training.sequence, 1 << 26);
}

/// Nothing fits: by how much.
[[noreturn]] void fail_unfit(const TrainingSpace& space, const SearchOutcome& outcome) {
  const TrainingQuestion& question = space.question();
  const TrainingPredictor& predictor = *question.predictor;
  const std::string nearest =
      outcome.nearest_fit ? fmt::format("; the nearest, {}, lacks {} on its fullest device",
                                        to_text(question.mappings[*outcome.nearest_fit]), to_text(outcome.missing))
                          : "";
  throw UserError(fmt::format("--devices: no mapping of {} fits on {} of {}{}", predictor.architecture().name,
                              integer_text(question.mappings.front().devices()), predictor.machine().name, nearest));
}

}  // namespace

TrainingSpace training_space(const SearchOptions& options) {
  const TrainOptions train = train_options(options);
  TrainingQuestion question;
  question.training = training_of(train);
  check_counts(question.training);
  question.any_micro_batch = options.micro_batch == "any";
  question.any_recompute = options.recompute == "any";
  question.any_zero = options.zero == "any";
  question.any_schedule = options.schedule == "any";
  // Predictors are not moved: made where they stay.
  const std::shared_ptr<const TrainingPredictor> predictor(new TrainingPredictor(make_training_predictor(train)));
  const Machine& machine = predictor->machine();
  const std::int64_t devices = train.devices > 0 ? train.devices : machine.devices;
  if (devices > machine.total_devices()) {
    throw UserError(fmt::format("--devices: {} has {}, not {}", machine.name, integer_text(machine.total_devices()),
                                integer_text(devices)));
  }
  question.mappings = list_mappings(predictor->architecture(), machine,
                                    {.devices = static_cast<int>(devices),
                                     .copies = false,
                                     .only_sequence = true,
                                     .most_virtual_stages = kMostVirtualStages,
                                     .separate = false});
  question.predictor = predictor;
  return TrainingSpace(std::move(question));
}

void check_found(const TrainingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome) {
  if (!outcome.best.empty()) {
    return;
  }
  const TrainingQuestion& question = space.question();
  const TrainingPredictor& predictor = *question.predictor;
  const SearchCounts& counts = outcome.counts;
  if (space.size() == 0) {
    throw UserError(fmt::format("--devices: so many devices divide nothing of {}", predictor.architecture().name));
  }
  if (counts.candidates() == 0) {
    throw UserError(fmt::format(
        "--global-batch: {} sequences divide into micro-batches under none of {} mappings; try "
        "a multiple of the devices",
        integer_text(question.training.global_batch), integer_text(static_cast<std::int64_t>(space.size()))));
  }
  if (counts.evaluated + counts.pruned == 0) {
    fail_unfit(space, outcome);
  }
  const SearchOutcome fastest = search(space, {.objective = SearchObjective::pace, .top = 1});
  if (fastest.best.empty()) {  // what was pruned as too slow does not fit either
    fail_unfit(space, fastest);
  }
  const SearchHit& hit = fastest.best.front();
  throw UserError(fmt::format("--slo: no mapping keeps step={}; the shortest step is {}, of {} with {}",
                              to_text(goal.most_pace.value_or(Seconds{})), to_text(hit.figures.pace),
                              to_text(question.mappings[hit.mapping]), space.row(hit, goal.objective).setting));
}

SearchReport report_of(const TrainingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome) {
  const TrainingQuestion& question = space.question();
  SearchReport report;
  report.training = true;
  report.model = question.predictor->architecture().name;
  report.machine = question.predictor->machine().name;
  report.cost_model = question.predictor->cost().name();
  report.load = fmt::format("steps of {} sequences of {} tokens", integer_text(question.training.global_batch),
                            integer_text(question.training.sequence));
  report.devices = question.mappings.front().devices();
  report.goal = goal;
  report.counts = outcome.counts;
  report.stopped = outcome.stopped;
  for (const SearchHit& hit : outcome.best) {
    report.best.push_back(space.row(hit, goal.objective));
  }
  for (const SearchHit& hit : outcome.front) {
    report.front.push_back(space.row(hit, goal.objective));
  }
  return report;
}

}  // namespace moesaic
