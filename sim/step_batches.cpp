// Equal batches that follow each other in the same state are run once; behind sim/step_run.hpp.
#include <algorithm>
#include <cmath>

#include "sim/step_run.hpp"

namespace moesaic {
namespace {

/// Fewer have no middle.
constexpr std::uint32_t kFewestAlike = 6;
/// Fewer take no longer to run than to add.
constexpr std::uint32_t kFewestRepeats = 2;
/// The first batch also has what its layer does once for all of them.
constexpr std::uint32_t kFirstAlike = 1;
/// As of layers (sim/step_repeats.cpp).
constexpr double kSameSeconds = 1e-10;

bool same_seconds(double a, double b) { return std::abs(a - b) <= kSameSeconds * std::max(a, b); }

}  // namespace

/// Finds the batches behind the first one that have the same tasks in every layer.
void StepRun::find_alike_batches() {
  alike_end_ = batches_ < kFewestAlike ? 0 : batches_;
  strides_.clear();
  for (const LayerGraph& layer : graph_.layers) {
    strides_.push_back(layer.stride);
    const std::span<const Task> tasks = graph_.tasks_of(layer);
    const bool shares_queues =
        !std::is_sorted(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) { return a.batch < b.batch; });
    if (shares_queues || (layer.stride == 0 && !tasks.empty() && tasks.back().batch > 0)) {
      alike_end_ = 0;
    } else if (layer.stride > 0) {
      alike_end_ = std::min(alike_end_, kFirstAlike + 1 + (layer.copies_end - layer.copies_begin) / layer.stride);
    }
  }
  // A kind of queue is the first batch's alone, or every batch has one.
  for (std::size_t first = 0; first < queues_.size();) {
    std::size_t end = first;
    while (end < queues_.size() && queues_[end].kind == queues_[first].kind) {
      ++end;
    }
    alike_end_ = end - first == batches_ || (end == first + 1 && queues_[first].batch == 0) ? alike_end_ : 0;
    first = end;
  }
  alike_end_ = alike_end_ < kFewestAlike ? 0 : alike_end_;
}

/// Looks whether a batch of a layer begins as an earlier one did. One state is kept to compare with; it is replaced by
/// the newest after 2, 4, 8, ... batches, so that any period is found before long (Brent 1980).
void StepRun::skip_batches() {
  const std::uint32_t layer = batch_begun_->layer();
  std::uint32_t batch = graph_.tasks[batch_begun_->task()].batch;
  batch_begun_.reset();
  BatchState& state = batch_state_;
  if (state.layer == layer && state.batch < batch) {
    const std::uint32_t period = batch - state.batch;
    const std::uint32_t repeats = batch + kFewestRepeats * period < alike_end_ ? batch_repeats(period) : 0;
    if (repeats >= kFewestRepeats) {
      jump_batches(period, repeats);
      batch += repeats * period;
      state.patience = 1;
    } else if (--state.left > 0) {
      return;
    }
  } else {
    state.patience = 1;
  }
  state.patience *= 2;
  state.left = state.patience;
  state.layer = layer;
  state.batch = batch;
  state.now = now_;
  state.idle = idle_;
  state.running = running_;
  state.heads.resize(queues_.size());
  std::transform(queues_.begin(), queues_.end(), state.heads.begin(),
                 [](const UsedQueue& queue) { return queue.head; });
}

/// How many more times what happened since the state that is kept will happen, `period` batches further on each time;
/// 0 where that is not sure. Of the alike batches the first ones have to stand at one point of each queue and the last
/// ones at another one, while what is between moves on; other batches stay where they are. A task that goes on all the
/// time must not end.
std::uint32_t StepRun::batch_repeats(std::uint32_t period) const {
  const BatchState& before = batch_state_;
  const std::uint32_t last = alike_end_ - 1;
  if (before.idle != idle_ || kFirstAlike + period > last) {
    return 0;
  }
  std::uint32_t most = last;
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    const auto kind = static_cast<std::size_t>(std::countr_zero(kinds));
    const Running &one = before.running[kind], &other = running_[kind];
    const std::uint32_t batch = graph_.tasks[one.task].batch;
    if (one.layer != other.layer) {
      return 0;
    }
    if (one.task == other.task) {
      const double done = one.progress - other.progress;
      if (batch >= kFirstAlike || one.latency > 0 || !(done >= 0)) {
        return 0;
      }
      // Once less, so that rounding does not matter.
      const double times = done > 0 ? std::floor(other.progress / done) - 1 : last;
      most = std::min(most, static_cast<std::uint32_t>(std::clamp<double>(times, 0, last)));
      continue;
    }
    const std::uint32_t stride = strides_[layers_[one.layer].graph];
    if (batch < kFirstAlike || batch + period > last || other.task != one.task + period * stride ||
        !same_seconds(one.latency, other.latency) || !same_seconds(one.progress, other.progress)) {
      return 0;
    }
    most = std::min(most, (last - (batch + period)) / period);
  }
  for (std::size_t first = 0; first < queues_.size();) {
    const bool every_batch = first + 1 < queues_.size() && queues_[first + 1].kind == queues_[first].kind;
    const std::size_t count = every_batch ? batches_ : 1;
    const auto was = [&](std::uint32_t batch) { return before.heads[first + batch]; };
    const auto is = [&](std::uint32_t batch) { return queues_[first + batch].head; };
    for (std::uint32_t batch = 0; batch < count; ++batch) {
      if ((batch < kFirstAlike || batch > last) && was(batch) != is(batch)) {
        return 0;
      }
    }
    if (every_batch) {
      std::uint32_t untouched = kFirstAlike;  // the first of the last batches, which stand at one point
      for (std::uint32_t batch = kFirstAlike; batch <= last; ++batch) {
        const std::uint32_t earlier = batch >= kFirstAlike + period ? batch - period : kFirstAlike;
        if (is(batch) != was(earlier) || (batch + period >= last && was(batch) != is(last))) {
          return 0;
        }
        untouched = is(batch) == is(last) ? untouched : batch + 1;
      }
      most = std::min(most, (last - untouched) / period);
    }
    first += count;
  }
  return most;
}

void StepRun::jump_batches(std::uint32_t period, std::uint32_t repeats) {
  const std::uint32_t shift = period * repeats;
  for (std::size_t first = 0; first < queues_.size();) {
    const bool every_batch = first + 1 < queues_.size() && queues_[first + 1].kind == queues_[first].kind;
    for (std::uint32_t batch = alike_end_ - 1; every_batch && batch > kFirstAlike; --batch) {
      const std::uint32_t earlier = batch >= kFirstAlike + shift ? batch - shift : kFirstAlike;
      queues_[first + batch].head = queues_[first + earlier].head;
    }
    first += every_batch ? batches_ : 1;
  }
  for (UsedQueue& queue : queues_) {
    queue.ended = queue.head;
  }
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    const auto kind = static_cast<std::size_t>(std::countr_zero(kinds));
    Running& task = running_[kind];
    const Running& before = batch_state_.running[kind];
    if (task.task == before.task) {
      task.progress -= (before.progress - task.progress) * repeats;
    } else {
      task.task += shift * strides_[layers_[task.layer].graph];
    }
    queues_[known_[task.task].queue].ended = {task.layer, known_[task.task].index};
  }
  computed_last_ += shift;  // this batch's queue of the device
  now_ += (now_ - batch_state_.now) * repeats;
  examine_all();
}

}  // namespace moesaic
