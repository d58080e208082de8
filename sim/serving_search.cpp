#include "sim/serving_search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.hpp"
#include "model/plan_tables.hpp"
#include "sim/contended_cost.hpp"

namespace moesaic {

struct ServingSpace::State {
  explicit State(ServingQuestion asked) : question(std::move(asked)), tables(question.routing) {}
  ServingQuestion question;
  mutable PlanTables tables;

  StepPlan plan(std::size_t mapping) const {
    StepPlan plan(question.architecture, question.precision, question.machine, question.mappings[mapping],
                  question.placement, question.routing, question.exchange, question.features, &tables);
    plan.attain(question.cost->attained(plan.view()));
    return plan;
  }
  std::int64_t copies(std::size_t mapping) const { return question.devices / question.mappings[mapping].devices(); }
  /// Of one replica, of the batch asked for.
  std::int64_t share(std::size_t mapping) const {
    return question.batch ? (*question.batch + copies(mapping) - 1) / copies(mapping) : 1;
  }
  CostModelPointer cost(const StepPlan& plan) const {
    return contended_cost_model(question.cost, plan, question.routes, question.fabric);
  }
};

namespace {

constexpr std::int64_t kMostLoadBatch = 1 << 24;  // that check(Load) takes

class ServingWorker final : public SearchWorker {
 public:
  using State = ServingSpace::State;
  explicit ServingWorker(const State& state) : state_(state), load_(state.question.load) {}

  OpenedMapping open(std::size_t mapping) override {
    OpenedMapping opened;
    predictor_.reset();
    batches_.clear();
    limits_ = {};
    contended_ = false;
    try {
      deployment_.emplace(Deployment{state_.plan(mapping), state_.question.cost});
    } catch (const UserError&) {
      opened.taken = false;
      return opened;
    }
    pieces_.next_mapping();
    const bool alike = state_.question.fabric == FabricModel::closed_form;  // costs do not depend on the mapping
    predictor_.emplace(*deployment_, alike ? &pieces_ : nullptr);
    list_batches(mapping, opened);
    opened.choices = batches_.size();
    return opened;
  }

  SearchFigures bound(std::size_t choice) override {
    const double batch = static_cast<double>(batches_[choice]);
    const Limits& least = limits(0);
    const std::size_t last_power = batches_.size() - (batches_.size() > 1 && !std::has_single_bit(top_batch()) ? 2 : 1);
    const Limits& most = limits(last_power);
    const double share = std::min(1.0, batch / static_cast<double>(batches_[last_power]));
    return figures(batch, std::max(least.prefill, most.prefill * share) * (1 - kBoundRounding),
                   std::max(least.decode, most.decode * share) * (1 - kBoundRounding));
  }

  EvaluatedChoice evaluate(std::size_t choice) override {
    if (!contended_) {
      deployment_->cost = state_.cost(deployment_->plan);
      contended_ = true;
    }
    load_.batch = batches_[choice];
    const LoadTimes& times = predictor_->times(load_, TimesDetail::times);
    return {figures(static_cast<double>(load_.batch), times.prefill.predicted, times.decode.predicted)};
  }

  std::int64_t batch(std::size_t choice) const { return batches_[choice]; }

 private:
  struct Limits {
    bool known = false;
    Seconds prefill, decode;
  };

  std::uint64_t top_batch() const { return static_cast<std::uint64_t>(batches_.back()); }

  void list_batches(std::size_t mapping, OpenedMapping& opened) {
    const std::int64_t least = state_.share(mapping);
    const StepPlan& plan = deployment_->plan;
    if (state_.question.batch) {
      if (replica_memory(plan, memory_load(least)).fits()) {
        batches_.push_back(least);
      }
    } else {
      const auto most = static_cast<std::int64_t>(
          std::min(static_cast<double>(kMostLoadBatch), largest_batch(plan, memory_load(least))));
      for (std::int64_t batch = 1; batch <= most; batch *= 2) {
        batches_.push_back(batch);
      }
      if (most > 0 && batches_.back() != most) {
        batches_.push_back(most);
      }
    }
    if (batches_.empty()) {
      opened.unfit = 1;
      const ReplicaMemory memory = replica_memory(plan, memory_load(least));
      opened.missing =
          std::max({memory.device.total() - memory.device.capacity, memory.apart.total() - memory.apart.capacity,
                    memory.host.total() - memory.host.capacity, memory.storage.total() - memory.storage.capacity});
    }
  }

  MemoryLoad memory_load(std::int64_t batch) const {
    return predictor_->memory_load(load_, static_cast<double>(batch));
  }

  const Limits& limits(std::size_t choice) {
    Limits& known = limits_[choice == 0 ? 0 : 1];
    if (!known.known) {
      load_.batch = batches_[choice];
      const LoadTimes& times = predictor_->times(load_, TimesDetail::limits);
      known = {true, times.prefill.limit, times.decode.limit};
    }
    return known;
  }

  SearchFigures figures(double batch, Seconds prefill, Seconds decode) const {
    const double output = static_cast<double>(load_.output);
    const Seconds whole = prefill + decode * (output - 1);
    const double devices = deployment_->plan.mapping().devices();
    return {decode, prefill, PerSecond{batch * output / whole.value / devices}};
  }

  const State& state_;
  Load load_;
  StepPieces pieces_;
  std::optional<Deployment> deployment_;
  std::optional<Predictor> predictor_;
  std::vector<std::int64_t> batches_;
  std::array<Limits, 2> limits_;  ///< of the first batch, and of the largest power of two
  bool contended_ = false;
};

}  // namespace

ServingSpace::ServingSpace(ServingQuestion question) : state_(std::make_unique<State>(std::move(question))) {
  Load load = state_->question.load;
  load.batch = state_->question.batch.value_or(1);
  check(load);
}
ServingSpace::~ServingSpace() = default;

std::size_t ServingSpace::size() const { return state_->question.mappings.size(); }
std::unique_ptr<SearchWorker> ServingSpace::worker() const { return std::make_unique<ServingWorker>(*state_); }
const ServingQuestion& ServingSpace::question() const { return state_->question; }
std::int64_t ServingSpace::copies(std::size_t mapping) const { return state_->copies(mapping); }

Deployment ServingSpace::deployment(std::size_t mapping) const {
  StepPlan plan = state_->plan(mapping);
  CostModelPointer cost = state_->cost(plan);
  return {std::move(plan), std::move(cost)};
}

Load ServingSpace::load(const SearchHit& hit) const {
  ServingWorker worker(*state_);
  worker.open(hit.mapping);
  Load load = state_->question.load;
  load.batch = worker.batch(hit.choice);
  return load;
}

Load ServingSpace::smallest_load(std::size_t mapping) const {
  Load load = state_->question.load;
  load.batch = state_->share(mapping);
  return load;
}

}  // namespace moesaic
