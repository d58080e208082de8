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
      batches_(static_cast<std::uint32_t>(graph.batches)),
      known_(graph.tasks.size()),
      at_level_(graph.tasks.size()) {
  list_queues();
  for (UnrolledLayers::Layer& layer : layers_) {
    layer.row = layer.graph * static_cast<std::uint32_t>(queues_.size() + 1);
  }
  find_needs();
  find_markers();
  find_chains();
  find_alike_batches();
}

void StepRun::find_cost(std::uint32_t task, const CostLevel& level) {
  AtLevel& of_task = at_level_[task];
  of_task.cost = at_level(graph_.tasks[task], costs_[task], level);
  of_task.shares = {};
  of_task.leads = false;
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
  for (const std::uint32_t task : originals_) {
    find_cost(task, level);
    const LevelCost& cost = at_level_[task].cost;
    take_time_ |= cost.latency > 0 || cost.busy > 0 ? 1U << queues_[known_[task].queue].kind : 0;
  }
  chains_ = spans_ == nullptr;
  if (chains_) {
    find_undisturbed();
    link_chains();
  }
  turns_ = turns;
  idle_ = (1U << kQueueCount) - 1;
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
      skip_repeats();
      skip_batches();
    }
    start_ready();
    if (running_.empty()) {
      break;
    }
    if (!some_over_ && !rates_hold_) {
      share_resources();
      rates_hold_ = chains_;  // else what is in its latency may hold multiprocessors
    }
    advance();
  }
  for (const UsedQueue& queue : queues_) {
    MOESAIC_ASSERT(queue.ended.layer == layers_.size());
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
  Running& started = running_.emplace_back();
  started.layer = ready.layer();
  started.task = ready.task();
  started.start = now_;
  started.latency = now.cost.latency;
  started.progress = now.cost.busy;
  if (now.leads) {
    follow(started);
  }
  queue.head = first_from(known.queue, {started.layer, known.index + started.followers + 1});
  some_over_ = some_over_ || started.over();
  rates_hold_ = rates_hold_ && (started.latency > 0 || !(started.progress > 0));
}

/// Max-min fair rates: all tasks speed up together until a resource is full, or one is as fast as it can be beside what
/// holds multiprocessors; those stop there, the rest go on.
void StepRun::share_resources() {
  const std::size_t resources = view_.resources.size();
  used_.assign(resources, 0);
  growing_.resize(resources);
  double held = 0;
  for (const Running& task : running_) {
    held = std::max(held, now_of(task.task).cost.hold);
  }
  std::size_t open = 0;
  for (Running& task : running_) {
    task.rate = task.latency > 0 ? 1 : -1;  // -1: not fixed yet; tasks in their latency occupy nothing
    task.most = held > 0 ? 1 / (1 + held * (now_of(task.task).cost.slowed - 1)) : 1;
    open += task.rate < 0;
  }
  while (open > 0) {
    std::fill(growing_.begin(), growing_.end(), 0.0);
    double level = 1;
    for (const Running& task : running_) {
      if (task.rate < 0) {
        level = std::min(level, task.most);
        for (const Demand& share : now_of(task.task).shares) {
          growing_[share.resource] += share.amount;
        }
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
    for (Running& task : running_) {
      if (task.rate >= 0) {
        continue;
      }
      const bool stops =
          full < 0 ? task.most <= level
                   : std::any_of(now_of(task.task).shares.begin(), now_of(task.task).shares.end(),
                                 [&](const Demand& share) { return share.resource == full && share.amount > 0; });
      if (stops) {
        task.rate = level;
        --open;
        for (const Demand& share : now_of(task.task).shares) {
          used_[share.resource] += share.amount * level;
        }
      }
    }
  }
}

void StepRun::pass_time(Running& task, double step) {
  if (task.latency > 0) {
    task.latency = task.latency <= step * (1 + 1e-12) ? 0 : task.latency - step;
    rates_hold_ = rates_hold_ && (task.latency > 0 || !(task.progress > 0));
  } else {
    const double left = task.progress - step * task.rate;
    task.progress = left <= 1e-12 * step * task.rate ? 0 : left;
  }
}

void StepRun::advance() {
  time_passed_ = !some_over_;
  double step = 0;
  if (time_passed_) {
    step = std::numeric_limits<double>::infinity();
    for (const Running& task : running_) {
      step = std::min(step, task.latency > 0 ? task.latency : task.progress / task.rate);
    }
    now_ += step;
  }
  some_over_ = false;
  std::size_t going = 0;
  for (Running& task : running_) {
    if (time_passed_) {
      pass_time(task, step);
    }
    if (!task.over()) {
      if (Running& to = running_[going++]; &to != &task) {
        to = task;
      }
      continue;
    }
    rates_hold_ = rates_hold_ && !(now_of(task.task).cost.busy > 0);
    const std::uint32_t queue = known_[task.task].queue;
    queues_[queue].ended = queues_[queue].head;
    idle_ |= 1U << queues_[queue].kind;
    ended_.push_back(queue);
    if (spans_ != nullptr) {
      spans_->push_back({task.layer, task.task, Seconds{task.start}, Seconds{now_}});
    }
  }
  running_.resize(going);
  settle();
}

}  // namespace moesaic
