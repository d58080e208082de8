#include "sim/admission.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/error.hpp"
#include "sim/decoding_requests.hpp"
#include "sim/prompt_queue.hpp"
#include "sim/step_memory.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostStepRequests = 1 << 20;
constexpr std::int64_t kMostRequests = 1 << 26;
constexpr std::int64_t kMostStepTokens = 1 << 28;
constexpr std::int64_t kEventsBetweenReports = 256;

void check_range(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) {
    throw UserError(fmt::format("{}: {} is not a whole number from {} to {}", option, value, least, most));
  }
}

class Run {
 public:
  Run(const ServingLoad& load, const ServingSystem& system, const ServingProgress& progress)
      : load_(load),
        rules_(load.rules),
        system_(system),
        progress_(progress),
        source_(load.requests),
        times_(system),
        prompts_(rules_, static_cast<std::int64_t>(system_.groups)),
        decoding_(system_.windows),
        left_(load.count) {
    if (source_.load().rate) {
      arrivals_.push_back(source_.pause_before(0));
    } else {
      arrivals_.resize(static_cast<std::size_t>(rules_.batch));
    }
  }

  ServingRecord record() {
    for (std::int64_t event = 0; left_ > 0; ++event) {
      if (progress_ && event % kEventsBetweenReports == 0 && !progress_(load_.count - left_)) {
        record_.stopped = true;
        break;
      }
      admit();
      if (running_ == 0) {
        now_ = arrivals_.front();
      } else if (!prompts_.empty()) {
        step_with_prompts();
      } else {
        decode_to_next_event();
      }
    }
    record_.span = counting_ ? now_ - counted_from_ : Seconds{};
    record_.grown = waiting_before(load_.warm_up + load_.count - 1) - waiting_before(load_.warm_up);
    const auto first = std::min(served_.size(), static_cast<std::size_t>(load_.warm_up));
    const auto last = std::min(served_.size(), static_cast<std::size_t>(load_.warm_up + load_.count));
    record_.requests.assign(served_.begin() + static_cast<std::ptrdiff_t>(first),
                            served_.begin() + static_cast<std::ptrdiff_t>(last));
    return std::move(record_);
  }

 private:
  RequestLengths lengths_of(std::int64_t request) const {
    const RequestLengths lengths = source_.lengths(static_cast<std::uint32_t>(request));
    if (system_.most_context > 0 && lengths.input + lengths.output > system_.most_context) {
      throw UserError(fmt::format("request {} has {} + {} tokens, but the model's context is {} tokens", request + 1,
                                  lengths.input, lengths.output, system_.most_context));
    }
    return lengths;
  }

  /// Tokens that a request has at the start: one that a closed loop begins with is somewhere in its answer. 0: none
  /// yet.
  std::int64_t head_start(std::int64_t request, std::int64_t output) const {
    if (source_.load().rate || now_ > Seconds{} || request >= std::min(rules_.batch, load_.warm_up)) {
      return 0;
    }
    return static_cast<std::int64_t>(source_.phase(static_cast<std::uint32_t>(request)) * static_cast<double>(output));
  }

  /// Lets waiting requests join while there is room.
  void admit() {
    while (running_ < rules_.batch && !arrivals_.empty() && arrivals_.front() <= now_) {
      const auto request = static_cast<std::int64_t>(served_.size());
      const RequestLengths lengths = lengths_of(request);
      const std::int64_t tokens = reserved_ + lengths.input + lengths.output;
      const auto requests = static_cast<double>(running_ + 1);
      if (!system_.fits(requests, static_cast<double>(tokens) / requests)) {
        if (running_ == 0) {
          throw UserError(fmt::format("request {} of {} + {} tokens does not fit into memory, not even alone",
                                      request + 1, lengths.input, lengths.output));
        }
        return;
      }
      served_.push_back({.arrival = arrivals_.front(), .lengths = lengths});
      arrivals_.pop_front();
      if (source_.load().rate) {
        arrivals_.push_back(served_.back().arrival + source_.pause_before(static_cast<std::uint32_t>(request) + 1));
      }
      if (request == load_.warm_up) {
        counting_ = true;
        counted_from_ = now_;
      }
      reserved_ = tokens;
      ++running_;
      const std::int64_t tokens_before = head_start(request, lengths.output);
      if (tokens_before > 0) {  // the last of them is not in the cache yet
        decoding_.add(static_cast<std::uint32_t>(request), lengths.input + tokens_before - 1,
                      lengths.output - tokens_before);
      } else {
        prompts_.add(static_cast<std::uint32_t>(request), lengths.input);
      }
    }
  }

  void step_with_prompts() {
    changed_.clear();
    prompts_.choose(decoding_.size(), changed_);
    for (const std::uint32_t request : changed_) {
      served_[request].start = now_;
    }
    record_.prompt_tokens += counting_ ? static_cast<double>(prompts_.chosen_tokens()) : 0;
    const bool mixed = decoding_.size() > 0 && !rules_.exclusive;
    const std::vector<BatchGroup> groups = prompts_.batch_groups();
    Seconds time;
    if (mixed && !decoding_.alike()) {
      Batch batch = decoding_.batch();
      batch.groups.insert(batch.groups.end(), groups.begin(), groups.end());
      time = system_.step(batch);
    } else {
      time = times_.mixed_step(mixed ? decoding_.size() : 0, mixed ? decoding_.mean_context() : 0, groups);
    }
    if (mixed) {
      record_.mixed_steps += counting_ ? 1 : 0;
      decode({time, Seconds{}, 1});
    } else {
      record_.prompt_steps += counting_ ? 1 : 0;
      pass(time);
    }
    changed_.clear();
    prompts_.finish_step(changed_);
    for (const std::uint32_t request : changed_) {
      begin_decoding(request);
    }
  }

  void begin_decoding(std::uint32_t request) {
    ServedRequest& served = served_[request];
    served.first_token = now_;
    record_.output_tokens += counting_ ? 1 : 0;
    if (served.lengths.output == 1) {
      end(request);
      return;
    }
    decoding_.add(request, served.lengths.input, served.lengths.output - 1);
    if (now_ != last_token_) {
      late_.push_back(now_);
    }
  }

  /// Decode steps until a request ends, or one arrives that may be admitted.
  void decode_to_next_event() {
    std::int64_t steps = decoding_.to_next_event();
    const bool room = running_ < rules_.batch && !arrivals_.empty() && arrivals_.front() > now_;
    const Seconds until = room ? arrivals_.front() : Seconds{INFINITY};
    // Contexts of several groups: a curve of their own, over the steps from now on.
    StepCurve own([batch = decoding_.batch(), this](double later) {
      Batch moved = batch;
      for (BatchGroup& group : moved.groups) {
        group.context += later;
      }
      return system_.step(moved);
    });
    const bool alike = decoding_.alike();
    for (std::int64_t done = 0; steps > 0 && now_ < until;) {
      StepRamp ramp;
      if (load_.step_by_step) {
        ramp = {system_.step(decoding_.batch()), Seconds{}, 1};
      } else if (alike) {
        ramp = times_.decode_steps(decoding_.size(), decoding_.mean_context(), steps);
      } else {
        ramp = own.ramp(static_cast<double>(done), steps);
      }
      if (room) {
        ramp.steps = steps_until(ramp, until - now_);
      }
      steps -= ramp.steps;
      done += ramp.steps;
      record_.decode_steps += counting_ ? ramp.steps : 0;
      decode(ramp);
    }
  }

  /// Steps in which every decoding request gets a token.
  void decode(StepRamp ramp) {
    const std::int64_t requests = decoding_.size();
    if (counting_) {
      StepRamp even = ramp;
      if (now_ != last_token_ || !late_.empty()) {  // before the first step some waited longer than others
        const Seconds token = now_ + ramp.first;
        const auto late = static_cast<std::int64_t>(late_.size());
        record_.gaps.add(token - last_token_, requests - late);
        for (const Seconds first_token : late_) {
          record_.gaps.add(token - first_token, 1);
        }
        even = {ramp.at(1), ramp.increment, ramp.steps - 1};
      }
      record_.gaps.add(even, requests);
      record_.output_tokens += static_cast<double>(requests * ramp.steps);
    }
    late_.clear();
    pass(ramp.total());
    last_token_ = now_;
    changed_.clear();
    decoding_.advance(ramp.steps, changed_);
    for (const std::uint32_t request : changed_) {
      end(request);
    }
  }

  void pass(Seconds time) {
    MOESAIC_ASSERT(time > Seconds{} && std::isfinite(time.value));
    record_.running_seconds += counting_ ? static_cast<double>(running_) * time.value : 0;
    now_ += time;
  }

  void end(std::uint32_t request) {
    ServedRequest& served = served_[request];
    MOESAIC_ASSERT(!served.ended);
    served.end = now_;
    served.ended = true;
    --running_;
    reserved_ -= served.lengths.input + served.lengths.output;
    record_.ended += counting_ ? 1 : 0;
    const auto number = static_cast<std::int64_t>(request);
    left_ -= number >= load_.warm_up && number < load_.warm_up + load_.count ? 1 : 0;
    if (!source_.load().rate) {
      arrivals_.push_back(now_);
    }
  }

  /// Requests before it that had not begun when it arrived.
  double waiting_before(std::int64_t request) const {
    const auto last = std::min(served_.size(), static_cast<std::size_t>(request));
    if (last == served_.size()) {
      return 0;
    }
    const auto end = served_.begin() + static_cast<std::ptrdiff_t>(last);
    const auto begun = std::partition_point(
        served_.begin(), end, [arrival = end->arrival](const ServedRequest& each) { return each.start <= arrival; });
    return static_cast<double>(end - begun);
  }

  const ServingLoad& load_;
  const AdmissionRules& rules_;
  const ServingSystem& system_;
  const ServingProgress& progress_;
  RequestSource source_;
  StepMemory times_;
  PromptQueue prompts_;
  DecodingRequests decoding_;
  std::deque<Seconds> arrivals_;  // of requests that are not admitted; of Poisson arrivals the next one alone
  std::vector<ServedRequest> served_;
  std::vector<std::uint32_t> changed_;  // by a step
  std::vector<Seconds> late_;           // first tokens since the last decode step, of requests that decode now
  Seconds now_, last_token_, counted_from_;
  std::int64_t running_ = 0;
  std::int64_t reserved_ = 0;  // tokens that running requests will have
  std::int64_t left_;          // counted requests that have not ended
  bool counting_ = false;
  ServingRecord record_;
};

}  // namespace

void check(const ServingLoad& load) {
  check_range("--batch", load.rules.batch, 1, kMostStepRequests);
  check_range("--step-tokens", load.rules.step_tokens, 1, kMostStepTokens);
  check_range("--requests", load.count, 1, kMostRequests);
  check_range("--warm-up", load.warm_up, 0, kMostRequests);
}

ServingRecord serve(const ServingLoad& load, const ServingSystem& system, const ServingProgress& progress) {
  check(load);
  return Run(load, system, progress).record();
}

}  // namespace moesaic
