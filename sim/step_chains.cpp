// Tasks of a queue that follow each other and that nothing can slow are started as one; behind sim/step_run.hpp.
#include <algorithm>

#include "sim/step_run.hpp"

namespace moesaic {
namespace {

/// Of two ends at one moment.
constexpr double kSameMoment = 1e-12;

}  // namespace

/// Finds the tasks for whose end only their queue's next task waits, which waits for nothing else. What is between the
/// two in the order written is of the same batch, so that what goes ahead of one goes ahead of the other.
void StepRun::find_chains() {
  waiting_.assign(graph_.tasks.size(), 0);
  for (const LayerGraph& layer : graph_.layers) {
    for (const Task& task : graph_.tasks_of(layer)) {
      for (const std::uint16_t before : task.after) {
        ++waiting_[layer.first + before];
      }
    }
  }
  for (const LayerGraph& layer : graph_.layers) {
    for (std::uint32_t i = layer.first; i + 1 < layer.first + layer.count; ++i) {
      const std::uint32_t task = order_[i], next = order_[i + 1];
      const Task &one = graph_.tasks[task], &other = graph_.tasks[next];
      known_[task].goes_on = known_[task].queue == known_[next].queue && waiting_[task] == 1 &&
                             one.sets == Marker::none && other.waits.size() == 0 && other.after.size() == 1 &&
                             layer.first + other.after[0] == task &&
                             std::all_of(graph_.tasks.begin() + task, graph_.tasks.begin() + next,
                                         [&](const Task& between) { return between.batch == one.batch; });
    }
  }
}

/// A queue's tasks run one at a time, whatever the batch: what only they demand is theirs as soon as they start, and
/// they take a time that is known then.
void StepRun::link_chains() {
  const auto each_original = [&](auto visit) {
    for (const LayerGraph& layer : graph_.layers) {
      for (std::uint32_t position = 0; position < layer.count; ++position) {
        if (!layer.is_copy(position)) {
          visit(layer.first + position);
        }
      }
    }
  };
  users_.assign(view_.resources.size(), 0);
  bool held = false;
  each_original([&](std::uint32_t task) {
    held = held || at_level_[task].cost.hold > 0;
    for (const Demand& share : at_level_[task].shares) {
      users_[share.resource] |= share.amount > 0 ? 1U << queues_[known_[task].queue].kind : 0;
    }
  });
  if (held) {
    chains_ = false;
    return;
  }
  each_original([&](std::uint32_t task) {
    AtLevel& now = at_level_[task];
    if (std::all_of(now.shares.begin(), now.shares.end(), [&](const Demand& share) {
          const std::uint32_t users = users_[share.resource];
          return (users & (users - 1)) == 0;
        })) {
      now.cost.latency += now.cost.busy;
      now.cost.busy = 0;
    }
  });
  for (std::size_t i = order_.size(); i-- > 1;) {
    const Known& known = known_[order_[i - 1]];
    if (known.goes_on && known.like == order_[i - 1]) {
      AtLevel& now = at_level_[known.like];
      const AtLevel& next = now_of(order_[i]);
      if (now.cost.busy <= 0 && next.cost.busy <= 0) {
        now.followers = next.followers + 1;
        now.rest = next.cost.latency + next.rest;
      }
    }
  }
}

/// What could start now on a kind of queues goes ahead, by its order, of tasks that were started with one that it has
/// to wait for: these are taken back.
void StepRun::cut_chain(std::uint32_t kind, std::uint64_t order) {
  const auto running = std::find_if(running_.begin(), running_.end(),
                                    [&](const Running& task) { return queues_[known_[task.task].queue].kind == kind; });
  const std::uint64_t order_of_running = (std::uint64_t{running->layer} << 32U) + running->task;
  if (turns_ != Turns::in_order || order > order_of_running || now_of(running->task).followers == 0) {
    return;
  }
  const std::uint32_t of = known_[running->task].queue;
  Point under_way{running->layer, known_[running->task].index};
  const auto now = [&]() -> const AtLevel& { return now_of(task_at(of, under_way)); };
  // A task that ends at this very moment does so with the others that end; what ends after it in no time finds the next
  // one begun.
  const double left = running->latency + running->taken_back, just = time_passed_ ? 1 - kSameMoment : 1 + kSameMoment;
  while (now().followers > 0 && left < now().rest * just) {
    ++under_way.index;
  }
  running->latency = std::max(0.0, left - now().rest);
  running->taken_back = now().rest;
  queues_[of].head = first_from(of, {under_way.layer, under_way.index + 1});
  some_over_ = some_over_ || running->over();
}

}  // namespace moesaic
