#include "sim/training_search.hpp"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <tuple>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// Whether run_pipeline() takes so many micro-batches.
bool schedule_works(PipelineSchedule schedule, const Mapping& mapping, std::int64_t micro_batches) {
  const int stages = mapping.pipeline;
  switch (schedule) {
    case PipelineSchedule::interleaved:
      return mapping.virtual_stages > 1 && micro_batches % stages == 0;
    case PipelineSchedule::dual_pipe:
      return stages % 2 == 0 && mapping.virtual_stages == 1 && micro_batches >= std::int64_t{2} * stages &&
             micro_batches % 2 == 0;
    case PipelineSchedule::zero_bubble:
      return stages > 1 && mapping.virtual_stages == 1;
    case PipelineSchedule::gpipe:
    case PipelineSchedule::one_f_one_b:
      return mapping.virtual_stages == 1;
  }
  MOESAIC_ASSERT(false);
}

std::vector<PipelineSchedule> schedules_of(const TrainingQuestion& question, const Mapping& mapping) {
  if (mapping.virtual_stages > 1) {
    return {PipelineSchedule::interleaved};
  }
  if (!question.any_schedule) {
    return {question.training.schedule};
  }
  // gpipe is 1f1b with more activations held. The last is evaluated first.
  return {PipelineSchedule::dual_pipe, PipelineSchedule::zero_bubble, PipelineSchedule::one_f_one_b};
}

class TrainingWorker final : public SearchWorker {
 public:
  explicit TrainingWorker(const TrainingSpace& space) : space_(space) {}

  OpenedMapping open(std::size_t mapping) override {
    mapping_ = &space_.question().mappings[mapping];
    choices_ = space_.choices(mapping);
    limits_.clear();
    OpenedMapping opened;
    opened.choices = choices_.size();
    opened.taken = !choices_.empty();
    return opened;
  }

  SearchFigures bound(std::size_t choice) override {
    const auto known = limits_.find(key(choices_[choice]));
    return known == limits_.end() ? SearchFigures{{}, {}, PerSecond{std::numeric_limits<double>::infinity()}}
                                  : figures(choices_[choice], known->second * (1 - kBoundRounding));
  }

  EvaluatedChoice evaluate(std::size_t choice) override {
    const Training& training = choices_[choice];
    TrainingPrediction prediction;
    try {
      prediction = space_.question().predictor->predict(*mapping_, training);
    } catch (const UserError&) {
      return {.figures = {}, .fits = false, .missing = {}};  // what only a prediction finds to contradict itself
    }
    limits_.try_emplace(key(training), prediction.limit);
    return {figures(training, prediction.step), prediction.memory.fits(),
            prediction.memory.total() - prediction.memory.capacity};
  }

 private:
  using Key = std::tuple<std::int64_t, ZeroStage>;
  static Key key(const Training& training) { return {training.micro_batch, training.zero}; }

  SearchFigures figures(const Training& training, Seconds step) const {
    const double tokens = static_cast<double>(training.global_batch) * static_cast<double>(training.sequence);
    return {step, {}, PerSecond{tokens / step.value / mapping_->devices()}};
  }

  const TrainingSpace& space_;
  const Mapping* mapping_ = nullptr;
  std::vector<Training> choices_;
  std::map<Key, Seconds> limits_;  ///< of the choice with the least recomputation
};

}  // namespace

TrainingSpace::TrainingSpace(TrainingQuestion question) : question_(std::move(question)) {}
TrainingSpace::~TrainingSpace() = default;

std::size_t TrainingSpace::size() const { return question_.mappings.size(); }
std::unique_ptr<SearchWorker> TrainingSpace::worker() const { return std::make_unique<TrainingWorker>(*this); }
const TrainingQuestion& TrainingSpace::question() const { return question_; }

std::vector<Training> TrainingSpace::choices(std::size_t index) const {
  const Mapping& mapping = question_.mappings[index];
  const Training& asked = question_.training;
  std::vector<Training> choices;
  if (asked.global_batch % mapping.data != 0) {
    return choices;
  }
  const std::int64_t share = asked.global_batch / mapping.data;
  const std::int64_t most = question_.any_micro_batch ? share : asked.micro_batch;
  for (std::int64_t micro = question_.any_micro_batch ? 1 : most; micro <= most; micro *= 2) {
    if (share % micro != 0) {
      break;  // nor do larger powers of two
    }
    const bool divides =
        !mapping.sequence || micro * asked.sequence % (std::int64_t{mapping.tensor} * mapping.context) == 0;
    for (const ZeroStage zero : {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::weights}) {
      for (const Recompute recompute : {Recompute::full, Recompute::selective, Recompute::none}) {
        for (const PipelineSchedule schedule : schedules_of(question_, mapping)) {
          const bool wanted =
              (question_.any_zero || zero == asked.zero) && (question_.any_recompute || recompute == asked.recompute);
          if (wanted && divides && schedule_works(schedule, mapping, share / micro)) {
            Training training = asked;
            training.micro_batch = micro;
            training.zero = zero;
            training.recompute = recompute;
            training.schedule = schedule == PipelineSchedule::interleaved ? PipelineSchedule::one_f_one_b : schedule;
            choices.push_back(training);
          }
        }
      }
    }
  }
  return choices;
}

TrainingPrediction TrainingSpace::prediction(const SearchHit& hit) const {
  return question_.predictor->predict(question_.mappings[hit.mapping], choices(hit.mapping)[hit.choice]);
}

SearchRow TrainingSpace::row(const SearchHit& hit, SearchObjective objective) const {
  const Mapping& mapping = question_.mappings[hit.mapping];
  const Training training = choices(hit.mapping)[hit.choice];
  const TrainingPrediction prediction = question_.predictor->predict(mapping, training);
  SearchRow row;
  row.mapping = to_text(mapping);
  row.devices = mapping.devices();
  row.setting = setting_text(training, mapping);
  row.batch = training.micro_batch;
  row.figures = hit.figures;
  row.memory = prediction.memory.total();
  row.capacity = prediction.memory.capacity;
  const double share = objective == SearchObjective::throughput
                           ? static_cast<double>(row.devices) /
                                 (static_cast<double>(training.global_batch) * static_cast<double>(training.sequence))
                           : 1;
  const TrainingParts& parts = prediction.parts;
  const auto add = [&](const char* id, const char* name, Seconds seconds) {
    row.costs.push_back({id, name, seconds * share});
  };
  add("compute", "computation", parts.compute);
  add("recompute", "recomputation", parts.recompute);
  add("tensor", "exposed tensor-parallel communication", parts.tensor);
  add("context", "exposed context-parallel communication", parts.context);
  add("expert", "exposed expert-parallel communication", parts.expert);
  add("bubble", "pipeline bubble", parts.bubble);
  add("data", "exposed reduction of gradients and gathering of weights", parts.data);
  add("optimizer", "optimizer", parts.optimizer);
  return row;
}

std::string setting_text(const Training& training, const Mapping& mapping) {
  std::string text = fmt::format("micro-batch {}", training.micro_batch);
  if (training.recompute != Recompute::none) {
    text += fmt::format(", {} recomputation", name(training.recompute));
  }
  text += fmt::format(", ZeRO {}", static_cast<int>(training.zero));
  if (mapping.pipeline > 1) {
    text += fmt::format(", {}", mapping.virtual_stages > 1 ? "interleaved" : name(training.schedule));
  }
  return text;
}

}  // namespace moesaic
