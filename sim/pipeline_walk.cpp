#include "sim/pipeline_walk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

using Kind = PipelineOperation::Kind;
using What = PipelineSpan::What;

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
  transfer_ = ticks(problem.transfer);
  durations_.reserve(runs_);
  for (std::uint32_t run = 0; run < runs_; ++run) {
    const ChunkTimes& chunk = problem.times[run % order.way];
    Durations durations{ticks(chunk.forward), ticks(chunk.backward_input), ticks(chunk.backward_weights), 0};
    if (chunk.both_ways > Seconds{}) {
      durations.saved =
          durations.forward + durations.backward_input + durations.backward_weights - ticks(chunk.both_ways);
    }
    durations_.push_back(durations);
  }
  stages_.resize(static_cast<std::size_t>(problem.stages));
  for (std::uint32_t i = 0; i < stages_.size(); ++i) {
    stages_[i].allowed = options.put_off ? i : 0;
  }
  streams_.resize(2 * static_cast<std::size_t>(runs_));
  weights_done_.resize(runs_);
  // No stage is ever further ahead of the next one than a few rounds of stages, but where it is by the whole batch.
  const auto most = static_cast<std::size_t>(problem.micro_batches);
  capacity_ = std::bit_ceil(options.jump && !options.spans ? std::min<std::size_t>(most, 8 * stages_.size()) : most);
  mask_ = static_cast<std::int64_t>(capacity_) - 1;
  ends_.reset(new double[streams_.size() * capacity_]);  // NOLINT: not initialised, each is written before it is read
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

bool PipelineWalk::ready(std::uint32_t index, std::uint32_t from, std::uint32_t to, std::uint32_t run, double& start) {
  Stream& source = streams_[from];
  const std::int64_t micro_batch = streams_[to].done;
  if (source.done <= micro_batch) {
    source.waiting = index;
    return false;
  }
  start = std::max(start, end_of(from, micro_batch) + transfer(run, from % runs_));
  return true;
}

bool PipelineWalk::forward_ready(std::uint32_t index, std::uint32_t run, double& start) {
  return first(run) || ready(index, forward_stream(run - 1), forward_stream(run), run, start);
}

/// On the last run it follows the same stage's forward, in whose order it stands.
bool PipelineWalk::backward_ready(std::uint32_t index, std::uint32_t run, double& start) {
  return last(run) || ready(index, backward_stream(run + 1), backward_stream(run), run, start);
}

void PipelineWalk::finish(std::uint32_t stream, double end) {
  Stream& done = streams_[stream];
  end_of(stream, done.done++) = end;
  if (done.waiting != kNobody) {
    awake_.push_back(done.waiting);
    done.waiting = kNobody;
  }
}

void PipelineWalk::record(What what, std::uint32_t index, std::uint32_t run, std::int64_t micro_batch, double start) {
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
  stage.free += durations_[run].backward_weights;
  stage.busy += durations_[run].backward_weights;
  --stage.held;
  record(What::backward_weights, index, run, weights_done_[run]++, start);
}

bool PipelineWalk::step(std::uint32_t index, const PipelineOperation& operation) {
  Stage& stage = stages_[index];
  if (operation.kind == Kind::backward_weights) {
    weights(index);
    return true;
  }
  const bool forwards = operation.kind == Kind::forward || operation.kind == Kind::both_ways;
  const bool backwards = operation.kind != Kind::forward;
  double start = stage.free;
  if ((forwards && !forward_ready(index, operation.forward, start)) ||
      (backwards && !backward_ready(index, operation.backward, start))) {
    return false;
  }
  if (order_.fills_pauses) {
    while (stage.pending() > 0 && stage.free + durations_[index].backward_weights <= start) {
      weights(index);
    }
  }
  const Durations& forward = durations_[operation.forward];
  const Durations& backward = durations_[operation.backward];
  double duration = 0;
  if (forwards) {
    duration = forward.forward;
    stage.most_held = std::max(stage.most_held, ++stage.held);
  }
  What what = What::forward;
  if (operation.kind == Kind::backward_input) {
    what = What::backward;
    duration = backward.backward_input;
    stage.put_off.push_back(operation.backward);
  } else if (backwards) {
    const double whole = backward.backward_input + backward.backward_weights;
    what = forwards ? What::both_ways : What::backward;
    // What hides is the mean of what each of the two runs hides of itself, and never more than the shorter pass.
    const double hidden =
        forwards ? std::min(std::floor((forward.saved + backward.saved) / 2), std::min(forward.forward, whole)) : 0;
    duration += whole - hidden;
    --stage.held;
    ++weights_done_[operation.backward];
  }
  stage.free = start + duration;
  stage.busy += duration;
  record(what, index, forwards ? operation.forward : operation.backward,
         streams_[forwards ? forward_stream(operation.forward) : backward_stream(operation.backward)].done, start);
  if (forwards) {
    finish(forward_stream(operation.forward), stage.free);
  }
  if (backwards) {
    finish(backward_stream(operation.backward), stage.free);
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
  const auto add = [&](std::uint32_t from, std::uint32_t to, std::uint32_t run) {
    // When something arrived that its stage could not have used anyway makes no difference.
    const double free = stages_[order_.stage[run]].free;
    for (std::int64_t i = streams_[to].done; i < streams_[from].done; ++i) {
      state.push_back(std::max(0.0, end_of(from, i) + transfer(run, from % runs_) - free));
    }
    state.push_back(-1);
  };
  for (std::uint32_t run = 0; run < runs_; ++run) {
    if (!first(run)) {
      add(forward_stream(run - 1), forward_stream(run), run);
    }
    if (!last(run)) {
      add(backward_stream(run + 1), backward_stream(run), run);
    }
  }
}

void PipelineWalk::move(double ticks) {
  for (Stage& stage : stages_) {
    stage.free += ticks;
  }
  for (std::uint32_t run = 0; run < runs_; ++run) {
    const auto add = [&](std::uint32_t from, std::uint32_t to) {
      for (std::int64_t i = streams_[to].done; i < streams_[from].done; ++i) {
        end_of(from, i) += ticks;
      }
    };
    if (!first(run)) {
      add(forward_stream(run - 1), forward_stream(run));
    }
    if (!last(run)) {
      add(backward_stream(run + 1), backward_stream(run));
    }
  }
}

void PipelineWalk::walk_loop(std::size_t loop) {
  std::int64_t rounds = order_.loops[loop].repeats;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    rounds = std::min(rounds, order_.loops[i * order_.loops_per_stage + loop].repeats);
  }
  // Brent: what is compared with is renewed at distances of powers of two.
  std::vector<double> seen;
  std::vector<double> now;
  std::vector<Stage> before;
  std::int64_t since = 0;
  std::int64_t renew = 1;
  bool searching = options_.jump && !options_.spans;
  for (std::int64_t round = 1; round <= rounds; ++round) {
    sweep(loop, round);
    if (!searching || round == rounds || !all_reached(loop, round)) {
      continue;
    }
    look(now);
    ++since;
    if (now == seen) {
      const std::int64_t times = (rounds - round) / since;
      const auto factor = static_cast<double>(times);
      for (std::size_t i = 0; i < stages_.size(); ++i) {
        Stage& stage = stages_[i];
        stage.busy += factor * (stage.busy - before[i].busy);
        const std::int64_t more = times * (stage.held - before[i].held);
        stage.held += more;
        stage.most_held += std::max<std::int64_t>(0, more);
        stage.repeat += times * since;
      }
      move(factor * (stages_.front().free - before.front().free));
      round += times * since;
      searching = false;
    } else if (since == renew || seen.empty()) {
      renew = seen.empty() ? 1 : 2 * renew;
      since = 0;
      seen.swap(now);
      before.assign(stages_.begin(), stages_.end());
    }
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
