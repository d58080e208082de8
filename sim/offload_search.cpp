#include "sim/offload_search.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "hw/machine.hpp"
#include "model/plan_tables.hpp"
#include "sim/request_stream.hpp"

namespace moesaic {

struct OffloadSpace::State {
  State(const OffloadQuestion& asked, std::vector<OffloadTry> all, std::shared_ptr<HitTable> known)
      : question(asked), tries(std::move(all)), hits(std::move(known)), tables(asked.routing) {}
  const OffloadQuestion& question;
  std::vector<OffloadTry> tries;
  std::shared_ptr<HitTable> hits;
  mutable PlanTables tables;
};

namespace {

constexpr std::int64_t kMostTriedBatch = 1 << 16;  // tried where any batch will do
constexpr std::array<std::int64_t, 4> kStepTokens = {32768, 8192, 2048, 512};

RequestStream stream_of(const Load& load) {
  return {.prompt = load.input, .generated = load.output, .running = load.batch};
}

struct Choice {
  HybridDescription description;
  Load load;
};

class OffloadWorker final : public SearchWorker {
 public:
  explicit OffloadWorker(const OffloadSpace::State& state)
      : state_(state), fitter_(state.question, state.tables, state.hits.get()) {}

  OpenedMapping open(std::size_t mapping) override {
    OpenedMapping opened;
    choices_.clear();
    built_.reset();
    const OffloadTry& tried = state_.tries[mapping];
    const std::optional<std::int64_t>& asked = tried.batch ? tried.batch : state_.question.batch;
    for (std::int64_t batch = asked.value_or(1); batch <= asked.value_or(kMostTriedBatch); batch *= 2) {
      if (!add_batch(tried, batch, opened) && !asked) {
        break;  // nor does any larger one
      }
    }
    opened.choices = choices_.size();
    opened.taken = opened.choices + opened.unfit > 0;
    return opened;
  }

  SearchFigures bound(std::size_t choice) override {
    MOESAIC_ASSERT(!state_.question.stream);  // its goals prune nothing
    const LoadTimes& times = predictor(choice).times(choices_[choice].load, TimesDetail::limits);
    return figures(choices_[choice].load, times.prefill.limit * (1 - kBoundRounding),
                   times.decode.limit * (1 - kBoundRounding));
  }

  EvaluatedChoice evaluate(std::size_t choice) override {
    if (state_.question.stream) {
      const StreamPace pace = stream_pace(deployment(choice), stream_of(choices_[choice].load));
      return {{pace.pass, pace.pass, pace.output_tokens}};
    }
    const LoadTimes& times = predictor(choice).times(choices_[choice].load, TimesDetail::times);
    return {figures(choices_[choice].load, times.prefill.predicted, times.decode.predicted)};
  }

  const Choice& choice(std::size_t index) const { return choices_[index]; }

 private:
  /// With all numbers of tokens a step that make a difference; returns whether any fits.
  bool add_batch(const OffloadTry& tried, std::int64_t batch, OpenedMapping& opened) {
    Load load = state_.question.load;
    load.batch = batch;
    bool any = false;
    const auto add = [&](std::int64_t tokens) {
      load.step_tokens = tokens;
      OffloadFitter::Fit fit = fitter_.fit(tried.shape, load);
      if (fit.description) {
        choices_.push_back({*std::move(fit.description), load});
        any = true;
      } else if (fit.missing > Bytes{0}) {
        ++opened.unfit;
        opened.missing = opened.missing > Bytes{0} ? std::min(opened.missing, fit.missing) : fit.missing;
      }
    };
    if (state_.question.stream) {
      add(static_cast<std::int64_t>(std::ceil(most_pass_tokens(stream_of(load), static_cast<double>(batch)))));
      return any;
    }
    if (const auto& asked = state_.question.step_tokens ? state_.question.step_tokens : tried.step_tokens) {
      add(*asked);
      return any;
    }
    const std::int64_t all = batch * load.input;
    for (std::size_t i = 0; i < kStepTokens.size(); ++i) {
      const bool more_than_all = i + 1 < kStepTokens.size() && kStepTokens[i + 1] >= all;
      if (!more_than_all) {
        add(kStepTokens[i]);
      }
    }
    return any;
  }

  struct Built {
    std::size_t choice;
    Deployment deployment;
    Predictor predictor;
    Built(std::size_t of, Deployment built) : choice(of), deployment(std::move(built)), predictor(deployment) {}
  };

  Built& built(std::size_t choice) {
    if (!built_ || built_->choice != choice) {
      built_.emplace(choice, Deployment{fitter_.plan(choices_[choice].description), state_.question.cost});
    }
    return *built_;
  }
  Predictor& predictor(std::size_t choice) { return built(choice).predictor; }
  const Deployment& deployment(std::size_t choice) { return built(choice).deployment; }

  static SearchFigures figures(const Load& load, Seconds prefill, Seconds decode) {
    const double output = static_cast<double>(load.output);
    const Seconds whole = prefill + decode * (output - 1);
    return {decode, prefill, PerSecond{static_cast<double>(load.batch) * output / whole.value}};
  }

  const OffloadSpace::State& state_;
  OffloadFitter fitter_;
  std::vector<Choice> choices_;
  std::optional<Built> built_;
};

/// Names of machines that have what a placement needs.
std::string machines_with_host() {
  std::string names;
  for (const MachineSummary& machine : list_machines()) {
    if (machine.kind == "node" && load_machine_config(machine.name).has("host")) {
      names += (names.empty() ? "" : ", ") + machine.name;
    }
  }
  return names;
}

void check(const OffloadQuestion& question) {
  const Machine& machine = question.machine;
  if (!machine.host || !machine.device.host_link) {
    throw UserError("--machine: '" + machine.name +
                    "' has no host to divide a network with; machines that have one: " + machines_with_host());
  }
  Load load = question.load;
  load.batch = question.batch.value_or(1);
  load.step_tokens = question.step_tokens.value_or(1);
  check(load);
  check_mapping(question.architecture, question.mapping, machine);
  if (question.stream && question.mapping.pipeline > 1) {
    throw UserError("--map: passes of a stream go through all layers on every device; pp=1");
  }
  if (question.assumed.cached && !question.batch) {
    throw UserError("--batch: hits of a cache of experts are simulated for one number of requests; give one");
  }
}

std::shared_ptr<HitTable> hit_table(const OffloadQuestion& question) {
  return question.assumed.cached ? std::make_shared<HitTable>(question.assumed, question.architecture, question.routing)
                                 : nullptr;
}

}  // namespace

namespace {

std::vector<OffloadTry> tries_of(const OffloadQuestion& question, OffloadKind kind) {
  std::vector<OffloadTry> tries;
  for (const OffloadShape& shape : list_offload_shapes(question.architecture, kind)) {
    tries.push_back({shape, std::nullopt, std::nullopt});
  }
  return tries;
}

}  // namespace

OffloadSpace::OffloadSpace(const OffloadQuestion& question, std::vector<OffloadTry> tries,
                           std::shared_ptr<HitTable> hits)
    : state_(std::make_unique<State>(question, std::move(tries), hits ? std::move(hits) : hit_table(question))) {}
OffloadSpace::OffloadSpace(const OffloadQuestion& question, OffloadKind kind, std::shared_ptr<HitTable> hits)
    : OffloadSpace(question, tries_of(question, kind), std::move(hits)) {}
OffloadSpace::~OffloadSpace() = default;

std::size_t OffloadSpace::size() const { return state_->tries.size(); }
std::unique_ptr<SearchWorker> OffloadSpace::worker() const { return std::make_unique<OffloadWorker>(*state_); }
const OffloadTry& OffloadSpace::tried(std::size_t mapping) const { return state_->tries[mapping]; }

OffloadCandidate OffloadSpace::candidate(const SearchHit& hit) const {
  OffloadWorker worker(*state_);
  worker.open(hit.mapping);
  const Choice& choice = worker.choice(hit.choice);
  return {tried(hit.mapping).shape.kind, choice.description, choice.load, hit.figures};
}

namespace {

/// The search for one outcome.
class Search {
 public:
  Search(const OffloadQuestion& question, const SearchGoal& goal, const SearchWatch& watch)
      : question_(question), goal_(goal), watch_(watch), hits_(hit_table(question)) {
    goal_.front = false;
    goal_.prune = goal_.prune && !question.stream;
    if (hits_) {
      hits_->hits(1, *question.batch);  // what is wrong with the cache is wrong with all
    }
  }

  OffloadOutcome run() {
    for (const OffloadKind kind : kEveryOffloadKind) {
      std::vector<Found> found = search_space(OffloadSpace(question_, kind, hits_));
      std::vector<Found> all = found;
      constexpr std::size_t kClimbers = 3;
      found.resize(std::min(found.size(), kClimbers));
      const auto climb_on = [&](std::vector<OffloadTry> tries) {
        std::vector<Found> better = climb(found, std::move(tries));
        all.insert(all.end(), better.begin(), better.end());
        return better;
      };
      if (!question_.batch) {
        climb_on(between_powers(found));
      }
      for (int batches = 2; batches <= kMostMicroBatches && !found.empty(); batches *= 2) {
        found = climb_on(in_batches(found, batches));
      }
      add(all);
    }
    sort(outcome_.best);
    sort(outcome_.of_kinds);
    outcome_.best.resize(std::min(outcome_.best.size(), goal_.top));
    return std::move(outcome_);
  }

 private:
  static constexpr int kMostMicroBatches = 16;
  struct Found {
    OffloadTry tried;  ///< with its batch and step tokens
    OffloadCandidate candidate;
  };

  std::vector<Found> search_space(const OffloadSpace& space) {
    std::vector<Found> all;
    if (space.size() == 0 || outcome_.stopped) {
      return all;
    }
    const SearchOutcome found = search(space, goal_, watch_);
    add(found.counts, outcome_.counts);
    outcome_.stopped = found.stopped;
    if (found.missing > Bytes{0} && (outcome_.missing <= Bytes{0} || found.missing < outcome_.missing)) {
      outcome_.missing = found.missing;
    }
    for (const SearchHit& hit : found.best) {
      const OffloadCandidate candidate = space.candidate(hit);
      all.push_back({{space.tried(hit.mapping).shape, candidate.load.batch, candidate.load.step_tokens}, candidate});
    }
    return all;
  }

  /// Requests between the powers of two of the first search.
  static std::vector<OffloadTry> between_powers(const std::vector<Found>& from) {
    std::vector<OffloadTry> tries;
    for (const Found& found : from) {
      for (const int quarters : {5, 6, 7}) {
        if (*found.tried.batch >= 4) {
          tries.push_back(found.tried);
          *tries.back().batch = *found.tried.batch * quarters / 4;
        }
      }
    }
    return tries;
  }

  /// The same placements in so many batches. Where any number of requests will do, with more of them too: of batches
  /// that take turns, one's activations are there at a time.
  std::vector<OffloadTry> in_batches(const std::vector<Found>& from, int batches) const {
    std::vector<OffloadTry> tries;
    for (const Found& found : from) {
      const bool alone = found.candidate.description.on_host || found.candidate.kind == OffloadKind::resident;
      for (const std::int64_t factor : {1, 2}) {
        const std::int64_t batch = *found.tried.batch * factor;
        if (!alone && batch >= batches && (factor == 1 || (!question_.batch && batches == 2))) {
          tries.push_back(found.tried);
          tries.back().shape.batches = batches;
          tries.back().batch = batch;
        }
      }
    }
    return tries;
  }

  /// Of these tries, what is better than all that they come from.
  std::vector<Found> climb(const std::vector<Found>& from, std::vector<OffloadTry> tries) {
    double best = 0;
    for (const Found& found : from) {
      best = std::max(best, score(found.candidate.figures, goal_.objective));
    }
    std::vector<Found> better = search_space(OffloadSpace(question_, std::move(tries), hits_));
    std::erase_if(better, [&](const Found& found) { return score(found.candidate.figures, goal_.objective) <= best; });
    return better;
  }

  static bool better(const OffloadCandidate& a, const OffloadCandidate& b, SearchObjective objective) {
    return score(a.figures, objective) > score(b.figures, objective);
  }
  void sort(std::vector<OffloadCandidate>& candidates) const {
    std::stable_sort(candidates.begin(), candidates.end(), [&](const OffloadCandidate& a, const OffloadCandidate& b) {
      return better(a, b, goal_.objective);
    });
  }

  /// Every shape once.
  void add(std::vector<Found>& of_kind) {
    std::stable_sort(of_kind.begin(), of_kind.end(),
                     [&](const Found& a, const Found& b) { return better(a.candidate, b.candidate, goal_.objective); });
    for (auto found = of_kind.begin(); found != of_kind.end(); ++found) {
      const bool again = std::any_of(of_kind.begin(), found,
                                     [&](const Found& other) { return other.tried.shape == found->tried.shape; });
      if (!again) {
        outcome_.best.push_back(found->candidate);
      }
    }
    if (!of_kind.empty()) {
      outcome_.of_kinds.push_back(of_kind.front().candidate);
    }
  }

  static void add(const SearchCounts& one, SearchCounts& all) {
    all.mappings += one.mappings;
    all.refused += one.refused;
    all.too_large += one.too_large;
    all.evaluated += one.evaluated;
    all.pruned += one.pruned;
    all.unfit += one.unfit;
  }

  const OffloadQuestion& question_;
  SearchGoal goal_;
  const SearchWatch& watch_;
  std::shared_ptr<HitTable> hits_;
  OffloadOutcome outcome_;
};

}  // namespace

OffloadOutcome search_offload(const OffloadQuestion& question, const SearchGoal& goal, const SearchWatch& watch) {
  check(question);
  return Search(question, goal, watch).run();
}

std::optional<std::string> smaller_type_that_fits(const OffloadQuestion& question) {
  for (const char* types : {"weights=fp8", "weights=int4", "weights=int4,kv=fp8", "weights=int4,kv=int4"}) {
    OffloadQuestion smaller = question;
    smaller.precision = parse_precision(types, question.precision);
    for (const OffloadKind kind : kEveryOffloadKind) {
      const OffloadSpace space(smaller, kind);
      const auto worker = space.worker();
      for (std::size_t i = 0; i < space.size(); ++i) {
        if (worker->open(i).choices > 0) {
          return types;
        }
      }
    }
  }
  return std::nullopt;
}

Deployment deployment_of(const OffloadQuestion& question, const HybridDescription& description) {
  PlanTables tables(question.routing);
  return {OffloadFitter(question, tables).plan(description), question.cost};
}

}  // namespace moesaic
