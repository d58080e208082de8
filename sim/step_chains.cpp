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
  const auto each_before = [&](auto visit) {
    for (const LayerGraph& layer : graph_.layers) {
      for (std::uint32_t task = layer.first; task < layer.first + layer.count; ++task) {
        if (known_[task].like == task) {
          for (const std::uint16_t before : graph_.tasks[task].after) {
            visit(layer, task, layer.first + before);
          }
        }
      }
    }
  };
  each_before([&](const LayerGraph&, std::uint32_t, std::uint32_t before) { ++waiting[before]; });
  each_before([&](const LayerGraph& layer, std::uint32_t task, std::uint32_t before) {
    if (waiting[task] == 0 && only_stores(layer, task, before)) {
      ++storing[before];
      known_[before].stores |= 1U << queues_[known_[task].queue].kind;
    }
  });
  for (const LayerGraph& layer : graph_.layers) {
    for (std::uint32_t i = layer.first; i + 1 < layer.first + layer.count; ++i) {
      const std::uint32_t task = order_[i], next = order_[i + 1];
      if (known_[task].queue != known_[next].queue) {
        continue;
      }
      if (known_[task].like != task) {
        continue;
      }
      const Task &one = graph_.tasks[task], &other = graph_.tasks[next];
      const bool waits = std::any_of(other.after.begin(), other.after.end(),
                                     [&](std::uint16_t before) { return layer.first + before == task; });
      known_[task].leads = one.sets == Marker::none && waiting[task] == storing[task] + (waits ? 1 : 0) &&
                           std::all_of(graph_.tasks.begin() + task, graph_.tasks.begin() + next,
                                       [&](const Task& between) { return between.batch == one.batch; });
    }
  }
}

/// Whether a task that nobody waits for, behind `before`, may be done later than it could be.
bool StepRun::only_stores(const LayerGraph& layer, std::uint32_t task, std::uint32_t before) const {
  const Known &of = known_[task], &behind = known_[before];
  const auto at = std::find(order_.begin() + layer.first, order_.begin() + layer.first + layer.count, task) + 1;
  if (graph_.tasks[task].sets != Marker::none || of.queue == behind.queue ||
      at == order_.begin() + layer.first + layer.count || known_[*at].queue != of.queue) {
    return false;
  }
  const FewOf<Needs::Before, 4>& needs = needs_[*at].before;
  return std::any_of(needs.begin(), needs.end(), [&](const Needs::Before& each) {
    return each.queue == behind.queue && each.index > behind.index;
  });
}

/// A queue's tasks run one at a time, whatever the batch: what only they demand is theirs as soon as they start, and
/// they take a time that is known then.
void StepRun::find_undisturbed() {
  users_.assign(view_.resources.size(), 0);
  for (const std::uint32_t task : originals_) {
    if (at_level_[task].cost.hold > 0) {
      chains_ = false;
      return;
    }
    for (const Demand& share : at_level_[task].shares) {
      users_[share.resource] |= share.amount > 0 ? 1U << queues_[known_[task].queue].kind : 0;
    }
  }
  for (const std::uint32_t task : originals_) {
    AtLevel& now = at_level_[task];
    if (std::all_of(now.shares.begin(), now.shares.end(), [&](const Demand& share) {
          const std::uint32_t users = users_[share.resource];
          return (users & (users - 1)) == 0;
        })) {
      now.cost.latency += now.cost.busy;
      now.cost.busy = 0;
    }
  }
}

/// Finds which tasks may be started with the one before them, at this level.
void StepRun::link_chains() {
  for (std::size_t i = 0; i + 1 < order_.size(); ++i) {
    const Known& known = known_[order_[i]];
    if (known.like == order_[i]) {
      at_level_[known.like].leads = known.leads && (known.stores & take_time_) == 0 &&
                                    at_level_[known.like].cost.busy <= 0 && now_of(order_[i + 1]).cost.busy <= 0;
    }
  }
}

/// Starts with a task those behind it on its queue that nothing can slow or hold up any more.
void StepRun::follow(Running& started) const {
  const Known& known = known_[started.task];
  const std::uint32_t* task = &order_[starts_[layers_[started.layer].row + known.queue] + known.index];
  for (const AtLevel* now = &at_level_[known.like]; now->leads; ++started.followers) {
    ++task;
    if (known_[*task].needs && !unmet(*task, started.layer).met()) {
      break;
    }
    now = &now_of(*task);
    started.latency += now->cost.latency;
  }
}

/// What could start now on a kind of queues goes ahead, by its order, of tasks that were started with one that it has
/// to wait for: these are taken back.
void StepRun::cut_chain(std::uint32_t kind, std::uint64_t order) {
  const auto running = std::find_if(running_.begin(), running_.end(),
                                    [&](const Running& task) { return queues_[known_[task.task].queue].kind == kind; });
  const std::uint64_t order_of_running = (std::uint64_t{running->layer} << 32U) + running->task;
  if (turns_ != Turns::in_order || order > order_of_running || running->followers == 0) {
    return;
  }
  // A task that ends at this very moment does so with the others that end; what ends after it in no time finds the next
  // one begun.
  const double just = time_passed_ ? 1 - kSameMoment : 1 + kSameMoment;
  const std::uint32_t of = known_[running->task].queue, first = known_[running->task].index;
  double taken_back = 0;
  while (running->followers > 0) {
    const std::uint32_t last = task_at(of, {running->layer, first + running->followers});
    const double rest = taken_back + now_of(last).cost.latency;
    if (running->latency < rest * just) {
      break;
    }
    taken_back = rest;
    --running->followers;
  }
  running->latency = std::max(0.0, running->latency - taken_back);
  queues_[of].head = first_from(of, {running->layer, first + running->followers + 1});
  some_over_ = some_over_ || running->over();
}

}  // namespace moesaic
