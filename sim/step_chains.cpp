// Tasks of a queue that follow each other and that nothing can slow are started as one; behind sim/step_run.hpp.
#include <algorithm>

#include "sim/step_run.hpp"

namespace moesaic {
namespace {

/// Of two ends at one moment.
constexpr double kSameMoment = 1e-12;

}  // namespace

/// Finds the tasks whose end lets nothing go on but their queue's next task. What is between the two in the order
/// written is of the same batch, so that what goes ahead of one goes ahead of the other. What only stores a result may
/// be late where it takes no time: nobody waits for it, and what is next on its queue waits for a later task than it
/// does.
void StepRun::find_chains() {
  std::vector<std::uint32_t> waiting(graph_.tasks.size(), 0), storing(graph_.tasks.size(), 0);
  const auto each_original = [&](auto visit) {
    for (const LayerGraph& layer : graph_.layers) {
      for (std::uint32_t task = layer.first; task < layer.first + layer.count; ++task) {
        if (!layer.is_copy(task - layer.first)) {
          visit(layer, task);
        }
      }
    }
  };
  each_original([&](const LayerGraph& layer, std::uint32_t task) {
    for (const std::uint16_t before : graph_.tasks[task].after) {
      ++waiting[layer.first + before];
    }
  });
  each_original([&](const LayerGraph& layer, std::uint32_t task) {
    for (const std::uint16_t before : graph_.tasks[task].after) {
      if (waiting[task] == 0 && only_stores(layer, task, layer.first + before)) {
        ++storing[layer.first + before];
        originals_[known_[layer.first + before].like].stores |= 1U << queues_[known_[task].queue].kind;
      }
    }
  });
  each_original([&](const LayerGraph& layer, std::uint32_t task) {
    const std::uint32_t next = next_on_queue(layer, task);
    if (next == kNothing || layer.is_copy(next - layer.first)) {
      return;
    }
    const Task &one = graph_.tasks[task], &other = graph_.tasks[next];
    const bool waits = std::any_of(other.after.begin(), other.after.end(),
                                   [&](std::uint16_t before) { return layer.first + before == task; });
    originals_[known_[task].like].leads = one.sets == Marker::none &&
                                          waiting[task] == storing[task] + (waits ? 1 : 0) &&
                                          std::all_of(graph_.tasks.begin() + task, graph_.tasks.begin() + next,
                                                      [&](const Task& between) { return between.batch == one.batch; });
  });
}

std::uint32_t StepRun::next_on_queue(const LayerGraph& layer, std::uint32_t task) const {
  const std::uint32_t place = known_[task].place + 1;
  return place < layer.first + layer.count && known_[order_[place]].queue == known_[task].queue ? order_[place]
                                                                                                : kNothing;
}

/// Whether a task that nobody waits for, behind `before`, may be done later than it could be.
bool StepRun::only_stores(const LayerGraph& layer, std::uint32_t task, std::uint32_t before) const {
  const std::uint32_t next = next_on_queue(layer, task);
  const Known& behind = known_[before];
  if (graph_.tasks[task].sets != Marker::none || known_[task].queue == behind.queue || next == kNothing) {
    return false;
  }
  return std::any_of(needs_[next].before.begin(), needs_[next].before.end(), [&](const Needs::Before& each) {
    return each.queue == behind.queue && each.index > behind.index;
  });
}

/// A queue's tasks run one at a time, whatever the batch: what only they demand is theirs as soon as they start, and
/// they take a time that is known then.
void StepRun::find_undisturbed() {
  users_.assign(view_.resources.size(), 0);
  for (std::size_t i = 0; i < originals_.size(); ++i) {
    if (at_level_[i].cost.hold > 0) {
      chains_ = false;
      return;
    }
    for (const Demand& share : at_level_[i].shares) {
      users_[share.resource] |= share.amount > 0 ? 1U << queues_[known_[originals_[i].task].queue].kind : 0;
    }
  }
  for (AtLevel& now : at_level_) {
    if (std::all_of(now.shares.begin(), now.shares.end(), [&](const Demand& share) {
          const std::uint32_t users = users_[share.resource];
          return (users & (users - 1)) == 0;
        })) {
      now.cost.latency += now.cost.busy;
      now.cost.busy = 0;
    }
  }
}

/// Finds which tasks may be started with the ones before them, at this level.
void StepRun::link_chains() {
  for (std::size_t i = originals_.size(); i-- > 0;) {
    const Original& original = originals_[i];
    AtLevel& now = at_level_[i];
    now.followers = 0;
    now.rest = 0;
    now.leads = original.leads && (original.stores & take_time_) == 0 && now.cost.busy <= 0;
    if (now.leads) {
      const Known& next = known_[order_[known_[original.task].place + 1]];
      const AtLevel& then = at_level_[next.like];
      now.leads = then.cost.busy <= 0;
      if (now.leads && !next.needs) {
        now.followers = then.followers + 1;
        now.rest = then.cost.latency + then.rest;
        now.leads = then.leads;
      }
    }
  }
}

/// Starts with a task those behind it on its queue that nothing can slow or hold up any more.
void StepRun::follow(Running& started) const {
  const Known& first = known_[started.task];
  const AtLevel* now = &at_level_[first.like];
  double seconds = started.latency + now->rest;
  std::uint32_t followers = now->followers;
  while (now->leads) {
    const std::uint32_t next = order_[first.place + followers + 1];
    if (Need need; known_[next].needs && waits(next, started.layer, need)) {
      break;
    }
    now = &now_of(next);
    seconds += now->cost.latency + now->rest;
    followers += now->followers + 1;
  }
  started.latency = seconds;
  started.followers = followers;
}

/// What could start now on a kind of queues goes ahead, by its order, of tasks that were started with one that it has
/// to wait for: these are taken back.
void StepRun::cut_chain(std::uint32_t kind, std::uint64_t order) {
  Running& running = running_[kind];
  const std::uint64_t order_of_running = (std::uint64_t{running.layer} << 32U) + running.task;
  if (turns_ != Turns::in_order || order > order_of_running || running.followers == 0) {
    return;
  }
  // A task that ends at this very moment does so with the others that end; what ends after it in no time finds the next
  // one begun.
  const double just = time_passed_ ? 1 - kSameMoment : 1 + kSameMoment;
  const std::uint32_t of = known_[running.task].queue, first = known_[running.task].index;
  double taken_back = 0;
  while (running.followers > 0) {
    const std::uint32_t last = task_at(of, {running.layer, first + running.followers});
    const double rest = taken_back + now_of(last).cost.latency;
    if (running.latency < rest * just) {
      break;
    }
    taken_back = rest;
    --running.followers;
  }
  running.latency = std::max(0.0, running.latency - taken_back);
  queues_[of].head = first_from(of, {running.layer, first + running.followers + 1});
  some_over_ = some_over_ || running.over();
}

}  // namespace moesaic
