// Which tasks of a step could start; behind sim/step_run.hpp.
#include <algorithm>
#include <functional>

#include "sim/step_run.hpp"

namespace moesaic {

/// Sorts the tasks of each layer by queue.
void StepRun::list_queues() {
  const auto slot_of = [&](std::uint32_t task) {
    return static_cast<std::size_t>(graph_.tasks[task].queue) * batches_ + graph_.tasks[task].batch;
  };
  std::vector<std::uint32_t> used(kQueueCount * batches_, kNothing);
  for (const LayerGraph& layer : graph_.layers) {
    for (std::uint32_t task = layer.first; task < layer.first + layer.count; ++task) {
      used[slot_of(task)] = 0;
    }
  }
  for (std::uint32_t slot = 0; slot < used.size(); ++slot) {
    if (used[slot] != kNothing) {
      used[slot] = static_cast<std::uint32_t>(queues_.size());
      UsedQueue& queue = queues_.emplace_back();
      queue.kind = slot / batches_;
      queue.batch = slot % batches_;
    }
  }
  first_on_device_ = used[static_cast<std::size_t>(Queue::device) * batches_];
  order_.resize(graph_.tasks.size());
  starts_.reserve(graph_.layers.size() * (queues_.size() + 1));
  for (const LayerGraph& layer : graph_.layers) {
    const std::size_t of_layer = starts_.size();
    starts_.resize(of_layer + queues_.size() + 1, 0);
    const std::uint32_t end = layer.first + layer.count;
    for (std::uint32_t task = layer.first; task < end; ++task) {
      known_[task].queue = used[slot_of(task)];
      known_[task].index = starts_[of_layer + known_[task].queue + 1]++;
    }
    starts_[of_layer] = layer.first;
    for (std::size_t i = of_layer + 1; i < starts_.size(); ++i) {
      starts_[i] += starts_[i - 1];
    }
    for (std::uint32_t task = layer.first; task < end; ++task) {
      Known& known = known_[task];
      const std::uint32_t* const start = &starts_[of_layer + known.queue];
      order_[start[0] + known.index] = task;
      known.last = start[0] + known.index + 1 == start[1];
    }
  }
}

void StepRun::find_markers() {
  const std::size_t of_layer = kMarkerCount * batches_;
  markers_.assign(graph_.layers.size() * of_layer, kNothing);
  for (std::size_t i = 0; i < graph_.layers.size(); ++i) {
    const LayerGraph& layer = graph_.layers[i];
    for (std::uint32_t index = layer.first; index < layer.first + layer.count; ++index) {
      const Task& task = graph_.tasks[index];
      markers_[i * of_layer + static_cast<std::size_t>(task.sets) * batches_ + task.batch] = index;
    }
  }
}

/// Finds out whether a queue's head could start, or what it waits for.
void StepRun::examine(std::uint32_t queue) {
  UsedQueue& of = queues_[queue];
  of.waits_until.layer = kNothing;
  if (of.head.layer < layers_.size() && !waits(queue)) {
    std::vector<Ready>& ready = ready_[of.kind];
    ready.push_back({(std::uint64_t{of.head.layer} << 32U) + task_at(queue, of.head), queue});
    if (ready.size() > 1) {
      std::push_heap(ready.begin(), ready.end(), std::greater<>());
    }
    could_start_ |= 1U << of.kind;
  }
}

/// The same of all queues, when it is not known.
void StepRun::examine_all() {
  for (std::vector<Ready>& ready : ready_) {
    ready.clear();
  }
  could_start_ = 0;
  for (UsedQueue& queue : queues_) {
    queue.first_waiter = kNothing;
  }
  for (std::uint32_t queue = 0; queue < queues_.size(); ++queue) {
    if (queues_[queue].head == queues_[queue].ended) {
      examine(queue);
    }
  }
}

bool StepRun::waits(std::uint32_t queue) {
  const UsedQueue& of = queues_[queue];
  const Task& task = graph_.tasks[task_at(queue, of.head)];
  const std::uint32_t first = graph_.layers[layers_[of.head.layer].graph].first;
  for (const std::uint16_t before : task.after) {
    if (waits_for(queue, of.head.layer, first + before)) {
      return true;
    }
  }
  for (const Task::Wait& wait : task.waits) {
    const std::uint32_t begin = wait.all_batches ? 0 : task.batch;
    const std::uint32_t end = wait.all_batches ? batches_ : task.batch + 1U;
    for (std::uint32_t batch = begin; batch < end; ++batch) {
      if (waits_for(queue, wait, batch)) {
        return true;
      }
    }
  }
  return false;
}

/// Whether that task is not done; then the queue is noted as waiting for it.
bool StepRun::waits_for(std::uint32_t queue, std::uint32_t layer, std::uint32_t task) {
  const Point point{layer, known_[task].index};
  UsedQueue& other = queues_[known_[task].queue];
  if (point < other.ended) {
    return false;
  }
  queues_[queue].waits_until = point;
  queues_[queue].next_waiter = other.first_waiter;
  other.first_waiter = queue;
  return true;
}

bool StepRun::waits_for(std::uint32_t queue, const Task::Wait& wait, std::uint32_t batch) {
  const std::size_t index = static_cast<std::size_t>(wait.marker) * batches_ + batch;
  const auto marker_of = [&](std::uint32_t layer) {
    return markers_[layers_[layer].graph * kMarkerCount * batches_ + index];
  };
  const std::uint32_t layer = queues_[queue].head.layer;
  std::uint32_t back = wait.layers_back;
  if (wait.marker != Marker::layer_output) {
    // Layers without the marker do not count: dense ones between those with experts.
    back = 0;
    for (std::uint32_t found = 0; found < wait.layers_back && back <= layer;) {
      ++back;
      found += back <= layer && marker_of(layer - back) != kNothing;
    }
  }
  return back <= layer && marker_of(layer - back) != kNothing &&
         waits_for(queue, layer - back, marker_of(layer - back));
}

/// A task of this queue has ended.
void StepRun::wake_waiters(std::uint32_t queue) {
  std::uint32_t waiter = queues_[queue].first_waiter;
  queues_[queue].first_waiter = kNothing;
  while (waiter != kNothing) {
    UsedQueue& waiting = queues_[waiter];
    const std::uint32_t next = waiting.next_waiter;
    if (waiting.waits_until < queues_[queue].ended) {
      examine(waiter);
    } else {
      waiting.next_waiter = queues_[queue].first_waiter;
      queues_[queue].first_waiter = waiter;
    }
    waiter = next;
  }
}

StepRun::Ready StepRun::take_ready(std::size_t kind) {
  std::vector<Ready>& ready = ready_[kind];
  if (ready.size() == 1) {
    const Ready result = ready.front();
    ready.clear();
    could_start_ &= ~(1U << kind);
    return result;
  }
  auto taken = ready.begin();
  if (turns_ == Turns::on_end) {
    taken = std::find_if(taken, ready.end(), [&](const Ready& each) { return each.queue == computed_last_; });
    taken = taken == ready.end() ? ready.begin() : taken;
  }
  const Ready result = *taken;
  if (taken == ready.begin()) {
    std::pop_heap(ready.begin(), ready.end(), std::greater<>());
    ready.pop_back();
  } else {
    ready.erase(taken);
    std::make_heap(ready.begin(), ready.end(), std::greater<>());
  }
  return result;
}

}  // namespace moesaic
