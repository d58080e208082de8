#include "sim/pipeline_walk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

using Kind = PipelineOperation::Kind;

constexpr int kExactBits = 51;          // sums of whole ticks below 2^52 are exact in doubles
constexpr std::size_t kForgotten = 32;  // weight gradients computed, before their queue is shortened

/// Every order is a permutation of the same work, and no wait is longer than all of it and all transfers.
double longest(const PipelineProblem& problem) {
  double sum = 0;
  for (const ChunkTimes& chunk : problem.times) {
    sum += chunk.forward.value + chunk.backward_input.value + chunk.backward_weights.value + chunk.both_ways.value +
           2 * problem.transfer.value;
  }
  return 2 * sum * static_cast<double>(problem.micro_batches);
}

}  // namespace

PipelineWalk::PipelineWalk(const PipelineProblem& problem, const PipelineOrder& order,
                           const PipelineWalkOptions& options)
    : order_(order), options_(options), runs_(static_cast<std::uint32_t>(order.stage.size())) {
  const double sum = longest(problem);
  tick_ = sum > 0 ? std::ldexp(1.0, std::ilogb(sum) - kExactBits) : 1;
  const auto ticks = [&](Seconds time) { return std::nearbyint(time.value / tick_); };
  passes_.resize(2 * static_cast<std::size_t>(runs_));
  weights_.resize(runs_);
  for (std::uint32_t run = 0; run < runs_; ++run) {
    const std::uint32_t place = run % order.way;
    const ChunkTimes& chunk = problem.times[place];
    const double weights = ticks(chunk.backward_weights);
    Pass& there = passes_[forward(run)];
    Pass& back = passes_[backward(run)];
    there.duration = ticks(chunk.forward);
    back.duration = ticks(chunk.backward_input);
    weights_[run].duration = weights;
    if (chunk.both_ways > Seconds{}) {
      weights_[run].hidden = there.duration + back.duration + weights - ticks(chunk.both_ways);
    }
    // On the last run a backward follows the same stage's forward, in whose order it stands.
    if (place + 1 < order.way) {
      const double transfer = order.stage[run] == order.stage[run + 1] ? 0 : ticks(problem.transfer);
      there.transfer = passes_[backward(run + 1)].transfer = transfer;
      passes_[forward(run + 1)].source = forward(run);
      back.source = backward(run + 1);
    }
  }
  stages_.resize(static_cast<std::size_t>(problem.stages));
  for (std::uint32_t i = 0; i < stages_.size(); ++i) {
    stages_[i].allowed = options.put_off ? i : 0;
  }
  // No stage is ever further ahead of the next one than a few rounds of stages, but where it is by the whole batch.
  const auto most = static_cast<std::size_t>(problem.micro_batches);
  capacity_ = std::bit_ceil(options.jump && !options.spans ? std::min<std::size_t>(most, 8 * stages_.size()) : most);
  mask_ = static_cast<std::int64_t>(capacity_) - 1;
  arrivals_.reset(new double[passes_.size() * capacity_]);  // NOLINT: not filled, each is written before it is read
  awake_.reserve(stages_.size());
}

bool PipelineWalk::reached(const Stage& stage, std::size_t loop, std::int64_t repeat) const {
  return stage.loop > loop || (stage.loop == loop && stage.repeat >= repeat);
}

bool PipelineWalk::all_reached(std::size_t loop, std::int64_t repeat) const {
  return std::all_of(stages_.begin(), stages_.end(), [&](const Stage& stage) {
    return stage.loop == loop && stage.repeat == repeat && stage.position == 0;
  });
}

inline bool PipelineWalk::ready(std::uint32_t index, const Pass& pass, double& start) {
  if (pass.source == kNobody) {
    return true;
  }
  Pass& source = passes_[pass.source];
  if (source.done <= pass.done) {
    source.waiting = index;
    return false;
  }
  start = std::max(start, arrival(pass.source, pass.done));
  return true;
}

inline void PipelineWalk::finish(std::uint32_t pass, double end) {
  Pass& done = passes_[pass];
  arrival(pass, done.done++) = end + done.transfer;
  if (done.waiting != kNobody) {
    awake_.push_back(done.waiting);
    done.waiting = kNobody;
  }
}

/// The mean of what each of the two runs hides of itself, and never more than the shorter pass.
double PipelineWalk::hidden(const PipelineOperation& operation) const {
  const Weights& one = weights_[operation.forward];
  const Weights& other = weights_[operation.backward];
  return std::min({std::floor((one.hidden + other.hidden) / 2), passes_[forward(operation.forward)].duration,
                   passes_[backward(operation.backward)].duration + other.duration});
}

void PipelineWalk::record(PipelineSpan::What what, std::uint32_t index, std::uint32_t run, std::int64_t micro_batch,
                          double start) {
  if (options_.spans) {
    spans_.push_back({what, static_cast<int>(index), static_cast<int>(run / stages_.size()), micro_batch,
                      Seconds{start * tick_}, Seconds{stages_[index].free * tick_}});
  }
}

void PipelineWalk::weights(std::uint32_t index) {
  Stage& stage = stages_[index];
  const std::uint32_t run = stage.put_off[stage.head++];
  if (stage.head == kForgotten || stage.head == stage.put_off.size()) {
    stage.put_off.erase(stage.put_off.begin(), stage.put_off.begin() + static_cast<std::ptrdiff_t>(stage.head));
    stage.head = 0;
  }
  const double start = stage.free;
  stage.free += weights_[run].duration;
  stage.busy += weights_[run].duration;
  --stage.held;
  record(PipelineSpan::What::backward_weights, index, run, weights_[run].done++, start);
}

bool PipelineWalk::step(std::uint32_t index, const PipelineOperation& operation) {
  Stage& stage = stages_[index];
  if (operation.kind == Kind::backward_weights) {
    weights(index);
    return true;
  }
  const bool forwards = operation.kind == Kind::forward || operation.kind == Kind::both_ways;
  const bool backwards = operation.kind != Kind::forward;
  const Pass& there = passes_[forward(operation.forward)];
  const Pass& back = passes_[backward(operation.backward)];
  double start = stage.free;
  if ((forwards && !ready(index, there, start)) || (backwards && !ready(index, back, start))) {
    return false;
  }
  if (order_.fills_pauses) {
    while (stage.pending() > 0 && stage.free + weights_[index].duration <= start) {
      weights(index);
    }
  }
  double duration = 0;
  if (forwards) {
    duration = there.duration;
    stage.most_held = std::max(stage.most_held, ++stage.held);
  }
  if (backwards) {
    duration += back.duration;
    if (operation.kind == Kind::backward_input) {
      stage.put_off.push_back(operation.backward);
    } else {
      duration += weights_[operation.backward].duration - (forwards ? hidden(operation) : 0);
      --stage.held;
      ++weights_[operation.backward].done;
    }
  }
  stage.free = start + duration;
  stage.busy += duration;
  if (options_.spans) {
    record(forwards && backwards ? PipelineSpan::What::both_ways
           : forwards            ? PipelineSpan::What::forward
                                 : PipelineSpan::What::backward,
           index, forwards ? operation.forward : operation.backward, forwards ? there.done : back.done, start);
  }
  if (forwards) {
    finish(forward(operation.forward), stage.free);
  }
  if (backwards) {
    finish(backward(operation.backward), stage.free);
  }
  if (order_.fills_pauses && stage.pending() > stage.allowed) {
    weights(index);
  }
  return true;
}

void PipelineWalk::advance(std::uint32_t index, std::size_t loop, std::int64_t repeat) {
  Stage& stage = stages_[index];
  while (!reached(stage, loop, repeat)) {
    const PipelineLoop& current = order_.loops[index * order_.loops_per_stage + stage.loop];
    if (stage.repeat == current.repeats || current.count == 0) {
      ++stage.loop;
      stage.repeat = 0;
      continue;
    }
    for (; stage.position < current.count; ++stage.position) {
      if (!step(index, order_.operations[current.first + stage.position])) {
        return;
      }
    }
    stage.position = 0;
    ++stage.repeat;
  }
}

void PipelineWalk::sweep(std::size_t loop, std::int64_t repeat) {
  for (auto i = static_cast<std::uint32_t>(stages_.size()); i-- > 0;) {
    awake_.push_back(i);
    while (!awake_.empty()) {
      const std::uint32_t next = awake_.back();
      awake_.pop_back();
      advance(next, loop, repeat);
    }
  }
}

void PipelineWalk::look(std::vector<double>& state) const {
  state.clear();
  const double now = stages_.front().free;
  for (const Stage& stage : stages_) {
    state.push_back(stage.free - now);
    state.push_back(static_cast<double>(stage.pending()));
  }
  for (std::uint32_t i = 0; i < passes_.size(); ++i) {
    const Pass& pass = passes_[i];
    if (pass.source == kNobody) {
      continue;
    }
    // When something arrived that its stage could not have used anyway makes no difference.
    const double free = stages_[order_.stage[i % runs_]].free;
    for (std::int64_t next = pass.done; next < passes_[pass.source].done; ++next) {
      state.push_back(std::max(0.0, arrival(pass.source, next) - free));
    }
    state.push_back(-1);
  }
}

void PipelineWalk::jump(const Mark& same, std::int64_t period, std::int64_t times) {
  const auto factor = static_cast<double>(times);
  const double ticks = factor * (stages_.front().free - same.stages.front().free);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    const std::int64_t more = times * (stage.held - same.stages[i].held);
    stage.free += ticks;
    stage.busy += factor * (stage.busy - same.stages[i].busy);
    stage.held += more;
    stage.most_held += std::max<std::int64_t>(0, more);
    stage.repeat += times * period;
  }
  for (const Pass& pass : passes_) {
    if (pass.source != kNobody) {
      for (std::int64_t next = pass.done; next < passes_[pass.source].done; ++next) {
        arrival(pass.source, next) += ticks;
      }
    }
  }
}

void PipelineWalk::walk_loop(std::size_t loop) {
  std::int64_t rounds = order_.loops[loop].repeats;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    rounds = std::min(rounds, order_.loops[i * order_.loops_per_stage + loop].repeats);
  }
  Mark previous;  // one round ago, which is most often the one that repeats
  Mark older;     // renewed at distances of powers of two (Brent)
  std::int64_t renew = 2;
  Mark now;
  bool search = options_.jump && !options_.spans;
  for (std::int64_t round = 1; round <= rounds; ++round) {
    sweep(loop, round);
    if (!search || round == rounds || !all_reached(loop, round)) {
      continue;
    }
    look(now.state);
    search = previous.round == 0 || now.state.size() == previous.state.size();  // else what waits grows, and will
    const Mark* const same = now.state == previous.state ? &previous : now.state == older.state ? &older : nullptr;
    if (same != nullptr) {
      jump(*same, round - same->round, (rounds - round) / (round - same->round));
      return sweep(loop, rounds);
    }
    now.stages.assign(stages_.begin(), stages_.end());
    now.round = round;
    if (round >= renew) {
      renew = 2 * round;
      older = now;
    }
    std::swap(previous, now);
  }
}

PipelineTimes PipelineWalk::run() {
  for (std::size_t loop = 0; loop < order_.loops_per_stage; ++loop) {
    walk_loop(loop);
  }
  sweep(order_.loops_per_stage, 0);
  PipelineTimes result;
  double total = 0;
  for (std::uint32_t i = 0; i < stages_.size(); ++i) {
    while (stages_[i].pending() > 0) {
      weights(i);
    }
    MOESAIC_ASSERT(stages_[i].held == 0);
    total = std::max(total, stages_[i].free);
    result.busy.push_back(Seconds{stages_[i].busy * tick_});
    result.in_flight.push_back(static_cast<double>(stages_[i].most_held));
  }
  result.total = Seconds{total * tick_};
  result.spans = std::move(spans_);
  return result;
}

bool PipelineWalk::ends_in_first_stage() const {
  return std::all_of(stages_.begin(), stages_.end(),
                     [&](const Stage& stage) { return stage.free <= stages_.front().free; });
}

}  // namespace moesaic
