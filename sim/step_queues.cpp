// Which tasks of a step could start; behind sim/step_run.hpp.
#include <algorithm>

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
      if (layer.is_copy(task - layer.first)) {
        known_[task].like = known_[task - layer.stride].like;
      } else {
        known_[task].like = static_cast<std::uint32_t>(originals_.size());
        originals_.push_back({task});
      }
      known_[task].index = starts_[of_layer + known_[task].queue + 1]++;
    }
    starts_[of_layer] = layer.first;
    for (std::size_t i = of_layer + 1; i < starts_.size(); ++i) {
      starts_[i] += starts_[i - 1];
    }
    for (std::uint32_t task = layer.first; task < end; ++task) {
      known_[task].place = starts_[of_layer + known_[task].queue] + known_[task].index;
      order_[known_[task].place] = task;
    }
  }
}

void StepRun::find_needs() {
  needs_.resize(graph_.tasks.size());
  for (const LayerGraph& layer : graph_.layers) {
    for (std::uint32_t task = layer.first; task < layer.first + layer.count; ++task) {
      Needs& needs = needs_[task];
      needs.waits = graph_.tasks[task].waits;
      needs.batch = graph_.tasks[task].batch;
      for (const std::uint16_t position : graph_.tasks[task].after) {
        const Known& before = known_[layer.first + position];
        if (before.queue != known_[task].queue || before.index >= known_[task].index) {
          needs.before.push_back({before.queue, before.index});
        }
      }
      known_[task].needs = needs.before.size() + needs.waits.size() > 0;
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
  of.waits_until = {kNothing, 0};
  if (of.head.layer() == end_) {
    return;
  }
  const std::uint32_t task = task_at(queue, of.head);
  Need need;
  if (known_[task].needs && waits(task, of.head.layer(), need)) {
    UsedQueue& other = queues_[need.queue];
    of.waits_until = need.task;
    of.next_waiter = other.first_waiter;
    other.first_waiter = queue;
  } else if ((take_time_ >> of.kind & 1U) == 0) {
    pass(queue);
  } else {
    const std::uint64_t order = (std::uint64_t{of.head.layer()} << 32U) + task;
    std::vector<Ready>& ready = ready_[of.kind];
    ready.insert(
        std::find_if(ready.rbegin(), ready.rend(), [&](const Ready& each) { return each.order > order; }).base(),
        Ready{order});
    could_start_ |= 1U << of.kind;
    if (chains_ && (idle_ >> of.kind & 1U) == 0) {
      cut_chain(of.kind, order);
    }
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
  settle();
}

/// Where nothing on a kind of queues takes time, its tasks need no turns: they end when they could start.
void StepRun::pass(std::uint32_t queue) {
  UsedQueue& of = queues_[queue];
  if (spans_ != nullptr) {
    spans_->push_back({of.head.layer(), task_at(queue, of.head), Seconds{now_}, Seconds{now_}});
  }
  of.head = of.ended = first_from(queue, {of.head.layer(), of.head.index() + 1});
  ended_.push_back(queue);
}

/// Lets go on what waited for tasks that have ended, and what waited for what passes then.
void StepRun::settle() {
  std::size_t next = 0;
  while (next < ended_.size()) {  // which grows as others pass
    const std::uint32_t queue = ended_[next++];
    wake_waiters(queue);
    examine(queue);
  }
  ended_.clear();
}

/// The same of markers of the layers before.
bool StepRun::waits_for_marker(const Needs& needs, std::uint32_t layer, Need& need) const {
  for (const Task::Wait& wait : needs.waits) {
    // The last batch first: it seldom is the first to end.
    const std::uint32_t first = wait.all_batches ? 0 : needs.batch;
    for (std::uint32_t batch = wait.all_batches ? batches_ : needs.batch + 1; batch-- > first;) {
      if (find_marked(wait, layer, batch, need) && !done(need)) {
        return true;
      }
    }
  }
  return false;
}

/// The task that sets what is waited for, unless it were before the first layer that has it.
bool StepRun::find_marked(const Task::Wait& wait, std::uint32_t layer, std::uint32_t batch, Need& need) const {
  const std::size_t index = static_cast<std::size_t>(wait.marker) * batches_ + batch;
  const auto marker_of = [&](std::uint32_t position) {
    return markers_[layers_[position].graph * kMarkerCount * batches_ + index];
  };
  std::uint32_t back = wait.layers_back;
  if (wait.marker != Marker::layer_output) {
    // Layers without the marker do not count: dense ones between those with experts.
    back = 0;
    for (std::uint32_t found = 0; found < wait.layers_back && back <= layer;) {
      ++back;
      found += back <= layer && marker_of(layer - back) != kNothing;
    }
  }
  const std::uint32_t task = back <= layer ? marker_of(layer - back) : kNothing;
  if (task == kNothing) {
    return false;
  }
  need.queue = known_[task].queue;
  need.task = {layer - back, known_[task].index};
  return true;
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
  if (turns_ == Turns::on_end) {
    const auto same = std::find_if(ready.begin(), ready.end(),
                                   [&](const Ready& each) { return known_[each.task()].queue == computed_last_; });
    if (same != ready.end()) {
      std::rotate(same, same + 1, ready.end());
    }
  }
  const Ready result = ready.back();
  ready.pop_back();
  could_start_ &= ready.empty() ? ~(1U << kind) : ~0U;
  return result;
}

}  // namespace moesaic
