// Equal layers that begin in the same state are run once; behind sim/step_run.hpp.
#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/step_run.hpp"

namespace moesaic {
namespace {

/// Rounding of what is left of tasks: far below anything that a prediction prints.
constexpr double kSame = 1e-10;

/// Periods of the network's own that the step's may have.
constexpr std::uint32_t kMostPeriods = 12;

/// The first batch's queue of the device.
constexpr std::size_t kDevice = 0;
static_assert(static_cast<std::size_t>(Queue::device) == kDevice);

}  // namespace

bool StepRun::State::same_as(const State& other) const {
  return counts == other.counts && seconds.size() == other.seconds.size() &&
         std::equal(seconds.begin(), seconds.end(), other.seconds.begin(),
                    [](double a, double b) { return std::abs(a - b) <= kSame * std::max(a, b); });
}

/// The last layer that has a task done, under way or next in a queue, of those in the block of `position`.
std::uint32_t StepRun::last_touched(std::uint32_t position) const {
  const std::uint32_t end = layers_[position].end;
  std::uint32_t last = position;
  for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
    if (heads_[queue] < queues_[queue].size() && queues_[queue][heads_[queue]].layer < end) {
      last = std::max(last, queues_[queue][heads_[queue]].layer);
    }
  }
  for (const Running& task : running_) {
    last = std::max(last, task.layer);
  }
  return last;
}

StepRun::State StepRun::state_at(std::uint32_t position) const {
  State state{position, now_, {}, {}};
  const auto relative = [&](std::uint32_t layer) {
    return static_cast<std::int64_t>(layer) - static_cast<std::int64_t>(position);
  };
  for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
    state.counts.push_back(static_cast<std::int64_t>(heads_[queue]) -
                           static_cast<std::int64_t>(queue_starts_[queue][position]));
  }
  for (const bool busy : busy_) {
    state.counts.push_back(busy);
  }
  for (const Running& task : running_) {
    state.counts.push_back(relative(task.layer));
    state.counts.push_back(task.task);
    state.seconds.push_back(task.latency);
    state.seconds.push_back(task.progress);
  }
  state.counts.push_back(static_cast<std::int64_t>(computed_last_));
  // Of a layer's tasks those are done that a queue is past, and that are not under way.
  state.counts.push_back(relative(low_));
  return state;
}

/// Looks whether the layer at the head of the device's queue, newly there, begins as an equal one did.
void StepRun::skip_repeats() {
  if (heads_[kDevice] == queues_[kDevice].size()) {
    return;
  }
  const std::uint32_t position = queues_[kDevice][heads_[kDevice]].layer;
  if (position <= begun_) {
    return;
  }
  begun_ = position;
  const UnrolledLayers::Layer& layer = layers_[position];
  if (layer.end - layer.begin < 3 * layer.period || low_ < layer.begin) {
    return;
  }
  State now = state_at(position);
  // Several batches may come around only after several layers: the nearest equal state gives the period.
  const auto before = std::find_if(states_.rbegin(), states_.rend(), [&](const State& state) {
    return state.position >= layer.begin && (position - state.position) % layer.period == 0 && now.same_as(state);
  });
  if (before != states_.rend()) {
    const std::uint32_t last = last_touched(position) + most_back_ + 1, period = position - before->position;
    if (last < layer.end && (layer.end - last) / period > 0) {
      jump(position, (layer.end - last) / period, *before);
      states_.clear();
      return;
    }
  }
  std::erase_if(states_, [&](const State& state) { return state.position + kMostPeriods * layer.period <= position; });
  states_.push_back(std::move(now));
}

/// `repeats` periods further on everything stands as it does now.
void StepRun::jump(std::uint32_t position, std::uint32_t repeats, const State& before) {
  const std::uint32_t period = position - before.position, shift = repeats * period;
  const std::uint32_t high = last_touched(position);
  const auto instances = [&](std::uint32_t layer) {
    return layer + 1 < layers_.size() ? layers_[layer + 1].first : static_cast<std::uint32_t>(done_.size());
  };
  const std::vector<char> done(done_.begin() + layers_[low_].first, done_.begin() + instances(high));
  const std::vector<std::uint32_t> left(left_.begin() + low_, left_.begin() + high + 1);
  std::fill(done_.begin() + layers_[low_].first, done_.begin() + layers_[low_ + shift].first, char{1});
  std::fill(left_.begin() + low_, left_.begin() + low_ + shift, 0U);
  std::copy(done.begin(), done.end(), done_.begin() + layers_[low_ + shift].first);
  std::copy(left.begin(), left.end(), left_.begin() + low_ + shift);
  finished_ += layers_[position + shift].first - layers_[position].first;
  for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
    heads_[queue] += queue_starts_[queue][position + shift] - queue_starts_[queue][position];
  }
  std::fill(blocks_.begin(), blocks_.end(), kNothing);
  for (Running& task : running_) {
    task.instance += layers_[task.layer + shift].first - layers_[task.layer].first;
    task.layer += shift;
  }
  now_ += (now_ - before.now) * repeats;
  low_ += shift;
  begun_ = position + shift;
}

}  // namespace moesaic
