#include "sim/step_run.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/error.hpp"

namespace moesaic {

UnrolledLayers unroll(const StepGraph& graph) {
  UnrolledLayers out;
  const auto add = [&](std::size_t layer, std::uint32_t begin, std::uint32_t end, std::uint32_t period) {
    out.layers.push_back({static_cast<std::uint32_t>(layer), begin, end, period});
  };
  const auto here = [&] { return static_cast<std::uint32_t>(out.layers.size()); };
  add(0, 0, 1, 1);
  for (const LayerBlock& block : *graph.blocks) {
    const auto period = static_cast<std::uint32_t>(block.kinds.size());
    const std::uint32_t begin = here(), end = begin + period * static_cast<std::uint32_t>(block.repeats);
    for (std::int64_t i = 0; i < block.repeats; ++i) {
      for (const int kind : block.kinds) {
        add(static_cast<std::size_t>(kind) + 1, begin, end, period);
      }
    }
  }
  add(graph.layers.size() - 1, here(), here() + 1, 1);
  return out;
}

UnrolledLayers only_layer(std::size_t layer) { return {{{static_cast<std::uint32_t>(layer), 0, 1, 1}}}; }

StepRun::StepRun(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                 UnrolledLayers unrolled)
    : graph_(graph),
      view_(view),
      layers_(std::move(unrolled.layers)),
      costs_(costs),
      end_(static_cast<std::uint32_t>(layers_.size())),
      batches_(static_cast<std::uint32_t>(graph.batches)),
      known_(graph.tasks.size()) {
  list_queues();
  at_level_.resize(originals_.size());
  for (UnrolledLayers::Layer& layer : layers_) {
    layer.row = layer.graph * static_cast<std::uint32_t>(queues_.size() + 1);
  }
  find_needs();
  find_markers();
  find_chains();
  find_alike_batches();
}

void StepRun::find_cost(std::uint32_t like, const CostLevel& level) {
  const std::uint32_t task = originals_[like].task;
  AtLevel& of_task = at_level_[like];
  of_task.cost = at_level(graph_.tasks[task], costs_[task], level);
  of_task.shares = {};
  take_time_ |= of_task.cost.latency > 0 || of_task.cost.busy > 0 ? 1U << queues_[known_[task].queue].kind : 0;
  if (of_task.cost.busy > 0) {
    for (const Demand& demand : graph_.tasks[task].demands) {
      const double attained = demand.resource == view_.host_memory ? of_task.cost.host_memory : 1;
      const double seconds = demand.amount / (view_.resources[demand.resource].capacity * attained);
      of_task.shares.push_back({demand.resource, std::min(1.0, seconds / of_task.cost.busy)});
    }
  }
}

void StepRun::begin(const CostLevel& level, Turns turns) {
  take_time_ = 0;
  for (std::uint32_t like = 0; like < originals_.size(); ++like) {
    find_cost(like, level);
  }
  chains_ = spans_ == nullptr;
  if (chains_) {
    find_undisturbed();
    link_chains();
  }
  turns_ = turns;
  idle_ = kAllKinds;
  for (SharedRates& each : shared_) {
    each.kinds = 0;
  }
  computed_last_ = first_on_device_;
  states_.clear();
  begun_ = 0;
  now_ = 0;
  batch_state_.layer = kNothing;
  rates_hold_ = false;
  for (std::uint32_t queue = 0; queue < queues_.size(); ++queue) {
    queues_[queue].head = queues_[queue].ended = first_from(queue, {});
  }
  examine_all();
}

Seconds StepRun::run(const CostLevel& level, Turns turns, std::vector<Span>* spans) {
  spans_ = spans;
  if (spans != nullptr) {
    std::size_t tasks = 0;
    for (const UnrolledLayers::Layer& layer : layers_) {
      tasks += graph_.layers[layer.graph].count;
    }
    spans->reserve(tasks);
  }
  begin(level, turns);
  while (true) {
    if (spans == nullptr) {
      if (layer_begins()) {
        skip_repeats();
      }
      if (batch_begun_) {
        skip_batches();
      }
    }
    start_ready();
    if (busy() == 0) {
      break;
    }
    if (!some_over_ && !rates_hold_) {
      find_rates();
      rates_hold_ = chains_;  // else what is in its latency may hold multiprocessors
    }
    advance();
  }
  for (const UsedQueue& queue : queues_) {
    MOESAIC_ASSERT(queue.ended.layer() == end_);
  }
  return Seconds{now_};
}

void StepRun::start_ready() {
  for (std::uint32_t kinds = could_start_ & idle_; kinds != 0; kinds &= kinds - 1) {
    start(take_ready(static_cast<std::size_t>(std::countr_zero(kinds))));
  }
}

void StepRun::start(const Ready& ready) {
  const Known& known = known_[ready.task()];
  UsedQueue& queue = queues_[known.queue];
  const AtLevel& now = at_level_[known.like];
  idle_ &= ~(1U << queue.kind);
  computed_last_ = queue.kind == static_cast<std::uint32_t>(Queue::device) ? known.queue : computed_last_;
  if (alike_end_ > 0 && known.index == 0 && queue.batch > 0 &&
      queue.kind == static_cast<std::uint32_t>(Queue::device)) {
    batch_begun_ = ready;
  }
  Running& started = running_[queue.kind];
  started.layer = ready.layer();
  started.task = ready.task();
  started.start = now_;
  started.latency = now.cost.latency;
  started.progress = now.cost.busy;
  started.followers = 0;
  if (chains_) {
    follow(started);
  }
  queue.head = first_from(known.queue, {started.layer, known.index + started.followers + 1});
  some_over_ = some_over_ || started.over();
  rates_hold_ = rates_hold_ && (started.latency > 0 || !(started.progress > 0));
}

/// What shares resources shares them alike whenever it does, unless what is in its latency slows it too.
void StepRun::find_rates() {
  if (!chains_) {
    share_resources();
    return;
  }
  const auto like_on = [&](std::size_t kind) {
    return running_[kind].latency > 0 ? kNothing : known_[running_[kind].task].like;
  };
  std::uint64_t hash = 0;
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    const auto kind = static_cast<std::size_t>(std::countr_zero(kinds));
    hash = (hash + like_on(kind) + 1) * 0x9e3779b97f4a7c15ULL;
  }
  SharedRates& found = shared_[hash >> (64 - kSharedBits)];
  bool same = found.kinds == busy();
  for (std::uint32_t kinds = busy(); same && kinds != 0; kinds &= kinds - 1) {
    const auto kind = static_cast<std::size_t>(std::countr_zero(kinds));
    same = found.tasks[kind] == like_on(kind);
    running_[kind].rate = found.rates[kind];
  }
  if (same) {
    return;
  }
  share_resources();
  found.kinds = busy();
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    const auto kind = static_cast<std::size_t>(std::countr_zero(kinds));
    found.tasks[kind] = like_on(kind);
    found.rates[kind] = running_[kind].rate;
  }
}

/// Max-min fair rates: all tasks speed up together until a resource is full, or one is as fast as it can be beside what
/// holds multiprocessors; those stop there, the rest go on.
void StepRun::share_resources() {
  const std::size_t resources = view_.resources.size();
  used_.assign(resources, 0);
  growing_.resize(resources);
  double held = 0;
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    held = std::max(held, now_of(running_on(kinds).task).cost.hold);
  }
  std::uint32_t open = 0;  // kinds of queues whose task's rate is not known yet
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    Running& task = running_on(kinds);
    task.rate = 1;
    task.most = held > 0 ? 1 / (1 + held * (now_of(task.task).cost.slowed - 1)) : 1;
    open |= task.latency > 0 ? 0 : kinds & -kinds;  // tasks in their latency occupy nothing
  }
  while (open > 0) {
    std::fill(growing_.begin(), growing_.end(), 0.0);
    double level = 1;
    for (std::uint32_t kinds = open; kinds != 0; kinds &= kinds - 1) {
      const Running& task = running_on(kinds);
      level = std::min(level, task.most);
      for (const Demand& share : now_of(task.task).shares) {
        growing_[share.resource] += share.amount;
      }
    }
    int full = -1;
    for (std::size_t r = 0; r < resources; ++r) {
      const bool may_be_full = level < 1 || growing_[r] > 1 - used_[r];  // divisions take time
      if (growing_[r] > 0 && may_be_full && (1 - used_[r]) / growing_[r] < level) {
        level = std::max(0.0, (1 - used_[r]) / growing_[r]);
        full = static_cast<int>(r);
      }
    }
    for (std::uint32_t kinds = open; kinds != 0; kinds &= kinds - 1) {
      Running& task = running_on(kinds);
      const FewOf<Demand, 4>& shares = now_of(task.task).shares;
      const bool stops =
          full < 0 ? task.most <= level : std::any_of(shares.begin(), shares.end(), [&](const Demand& share) {
            return share.resource == full && share.amount > 0;
          });
      if (stops) {
        task.rate = level;
        open &= ~(kinds & -kinds);
        for (const Demand& share : shares) {
          used_[share.resource] += share.amount * level;
        }
      }
    }
  }
}

inline void StepRun::pass_time(Running& task, double step) {
  if (task.latency > 0) {
    task.latency = task.latency <= step * (1 + 1e-12) ? 0 : task.latency - step;
    rates_hold_ = rates_hold_ && (task.latency > 0 || !(task.progress > 0));
  } else {
    const double left = task.progress - step * task.rate;
    task.progress = left <= 1e-12 * step * task.rate ? 0 : left;
  }
}

inline void StepRun::end(const Running& task) {
  const Known& known = known_[task.task];
  rates_hold_ = rates_hold_ && !(at_level_[known.like].cost.busy > 0);
  queues_[known.queue].ended = queues_[known.queue].head;
  idle_ |= 1U << queues_[known.queue].kind;
  ended_.push_back(known.queue);
  if (spans_ != nullptr) {
    spans_->push_back({task.layer, task.task, Seconds{task.start}, Seconds{now_}});
  }
}

void StepRun::advance() {
  time_passed_ = !some_over_;
  double step = 0;
  if (time_passed_) {
    step = std::numeric_limits<double>::infinity();
    for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
      const Running& task = running_on(kinds);
      step = std::min(step, task.latency > 0 ? task.latency
                            : task.rate < 1  ? task.progress / task.rate
                                             : task.progress);
    }
    now_ += step;
  }
  some_over_ = false;
  for (std::uint32_t kinds = busy(); kinds != 0; kinds &= kinds - 1) {
    Running& task = running_on(kinds);
    if (time_passed_) {
      pass_time(task, step);
    }
    if (task.over()) {
      end(task);
    }
  }
  settle();
}

}  // namespace moesaic
