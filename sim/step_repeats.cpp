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

}  // namespace

bool StepRun::State::same_as(const State& other) const {
  return points == other.points && seconds.size() == other.seconds.size() &&
         std::equal(seconds.begin(), seconds.end(), other.seconds.begin(),
                    [](double a, double b) { return std::abs(a - b) <= kSame * std::max(a, b); });
}

/// Whether a queue has tasks in the layers that repeat around a position.
bool StepRun::used_in_block(std::uint32_t queue, std::uint32_t position) const {
  const UnrolledLayers::Layer& layer = layers_[position];
  for (std::uint32_t i = layer.begin; i < layer.begin + layer.period; ++i) {
    if (count(i, queue) > 0) {
      return true;
    }
  }
  return false;
}

/// Whether all layers before the block of a position are done, and none behind it has begun.
bool StepRun::all_in_block(std::uint32_t position) const {
  const UnrolledLayers::Layer& layer = layers_[position];
  for (std::uint32_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].ended.layer() < layer.begin ||
        (queues_[i].head.layer() >= layer.end && used_in_block(i, position))) {
      return false;
    }
  }
  return true;
}

/// So many layers further on, what is under way now is still in the block of `position`, what is next now is there or
/// would be what follows it, where nothing does, and what is next behind the block still waits for what it waits for
/// now.
std::uint32_t StepRun::untouched(std::uint32_t position) const {
  const std::uint32_t block_end = layers_[position].end;
  std::uint32_t last = position, end = block_end;
  for (std::uint32_t i = 0; i < queues_.size(); ++i) {
    const UsedQueue& queue = queues_[i];
    if (queue.head.layer() < block_end) {
      const bool may_end = queue.head.index() == 0 && first_from(i, {block_end, 0}).layer() == end_;
      last = std::max(last, queue.head.layer() - (may_end ? 1 : 0));
    } else {
      end = std::min(end, queue.waits_until.layer());
    }
  }
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    last = std::max(last, running_on(kinds).layer);
  }
  return end > last ? end - 1 - last : 0;
}

/// Of a queue's tasks those are done that its head is past, and that are not under way.
StepRun::State StepRun::state_at(std::uint32_t position) const {
  State state{position, now_, {}, {}};
  state.points.reserve(queues_.size() + kQueueCount + 1);
  state.seconds.reserve(2 * kQueueCount);
  // Behind all positions, so that none looks like a relative one.
  const auto relative = [&](std::uint32_t layer) { return 2 * end_ + layer - position; };
  for (const UsedQueue& queue : queues_) {
    const bool in_block = queue.head.layer() < layers_[position].end;
    state.points.push_back(in_block ? Point{relative(queue.head.layer()), queue.head.index()} : queue.head);
  }
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    const Running& task = running_on(kinds);
    state.points.push_back({relative(task.layer), task.task});
    state.seconds.push_back(task.latency);
    state.seconds.push_back(task.progress);
  }
  state.points.push_back({0, computed_last_});
  return state;
}

/// Looks whether the layer that is newly at the head of the device's queue begins as an equal one did.
void StepRun::skip_repeats() {
  const std::uint32_t position = queues_[first_on_device_].head.layer();
  begun_ = position;
  if (position == end_) {
    return;
  }
  const UnrolledLayers::Layer& layer = layers_[position];
  if (layer.end - layer.begin < 3 * layer.period || !all_in_block(position)) {
    return;
  }
  State now = state_at(position);
  // Several batches may come around only after several layers: the nearest equal state gives the period.
  const auto before = std::find_if(states_.rbegin(), states_.rend(), [&](const State& state) {
    return state.position >= layer.begin && (position - state.position) % layer.period == 0 && now.same_as(state);
  });
  if (before != states_.rend()) {
    const std::uint32_t left = untouched(position), period = position - before->position;
    if (left >= period) {
      jump(position, left / period, *before);
      states_.clear();
      return;
    }
  }
  std::erase_if(states_, [&](const State& state) { return state.position + kMostPeriods * layer.period <= position; });
  states_.push_back(std::move(now));
}

/// `repeats` periods further on everything stands as it does now: what tasks wait for in layers before the block is
/// done, and since states are equal the same part of the block is done when the layers behind ask for it there.
void StepRun::jump(std::uint32_t position, std::uint32_t repeats, const State& before) {
  const std::uint32_t shift = repeats * (position - before.position), end = layers_[position].end;
  for (UsedQueue& queue : queues_) {
    for (Point* const point : {&queue.head, &queue.ended}) {
      if (point->layer() < end) {
        const std::uint32_t layer = point->layer() + shift;
        *point = layer < end ? Point{layer, point->index()} : Point{end_, 0};
      }
    }
  }
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    running_on(kinds).layer += shift;
  }
  now_ += (now_ - before.now) * repeats;
  begun_ = position + shift;
  batch_state_.layer = kNothing;
  examine_all();
}

}  // namespace moesaic
