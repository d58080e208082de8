#include "sim/step_run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace moesaic {

UnrolledLayers unroll(const StepGraph& graph) {
  UnrolledLayers out;
  const auto add = [&](std::size_t layer, std::uint32_t begin, std::uint32_t end, std::uint32_t period) {
    out.layers.push_back({static_cast<std::uint32_t>(layer), out.instances, begin, end, period});
    out.instances += graph.layers[layer].count;
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

UnrolledLayers only_layer(const StepGraph& graph, std::size_t layer) {
  return {{{static_cast<std::uint32_t>(layer), 0, 0, 1, 1}}, graph.layers[layer].count};
}

StepRun::StepRun(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs,
                 const CostLevel& level, UnrolledLayers unrolled, Turns turns)
    : graph_(graph),
      view_(view),
      layers_(std::move(unrolled.layers)),
      batches_(static_cast<std::size_t>(graph.batches)),
      queues_(kQueueCount * batches_),
      queue_starts_(queues_.size()),
      heads_(queues_.size(), 0),
      blocks_(queues_.size(), kNothing),
      turns_(turns) {
  std::uint32_t longest_period = 1;
  for (const UnrolledLayers::Layer& layer : layers_) {
    longest_period = std::max(longest_period, layer.period);
  }
  for (const LayerGraph& layer : graph.layers) {
    MarkerTasks& positions = markers_.emplace_back(kMarkerCount * batches_, -1);
    const auto tasks = graph.tasks_of(layer);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      positions[static_cast<std::size_t>(tasks[i].sets) * batches_ + tasks[i].batch] = static_cast<int>(i);
      for (const Task::Wait& wait : tasks[i].waits) {
        const std::uint32_t stride = wait.marker == Marker::layer_output ? 1 : longest_period;
        most_back_ = std::max<std::uint32_t>(most_back_, wait.layers_back * stride);
      }
    }
  }
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    costs_.push_back(at_level(graph.tasks[i], costs[i], level));
  }
  for (std::uint32_t position = 0; position < layers_.size(); ++position) {
    for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
      queue_starts_[queue].push_back(static_cast<std::uint32_t>(queues_[queue].size()));
    }
    const LayerGraph& layer = graph.layers[layers_[position].graph];
    for (std::uint32_t i = 0; i < layer.count; ++i) {
      queues_[queue_of(graph.tasks[layer.first + i])].push_back({position, layer.first + i});
    }
    left_.push_back(layer.count);
  }
  for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
    if (!queues_[queue].empty()) {
      used_queues_[kind_of(queue)].push_back(queue);
    }
  }
  done_.assign(unrolled.instances, 0);
}

Seconds StepRun::run(std::vector<Span>* spans) {
  if (spans != nullptr) {
    spans->reserve(done_.size());
  }
  while (finished_ < done_.size()) {
    if (spans == nullptr) {
      skip_repeats();
    }
    start_ready();
    MOESAIC_ASSERT(!running_.empty());
    share_resources();
    advance(spans);
  }
  return Seconds{now_};
}

std::uint32_t StepRun::blocked_by(const Waiting& waiting) const {
  const Task& task = graph_.tasks[waiting.task];
  const std::uint32_t first = layers_[waiting.layer].first;
  for (const std::uint16_t before : task.after) {
    if (!done_[first + before]) {
      return first + before;
    }
  }
  for (const Task::Wait& wait : task.waits) {
    const int begin = wait.all_batches ? 0 : task.batch, end = wait.all_batches ? graph_.batches : task.batch + 1;
    for (int batch = begin; batch < end; ++batch) {
      if (const std::uint32_t before = unmet(waiting, wait, batch); before != kNothing) {
        return before;
      }
    }
  }
  return kNothing;
}

std::uint32_t StepRun::unmet(const Waiting& waiting, const Task::Wait& wait, int batch) const {
  const std::size_t index = static_cast<std::size_t>(wait.marker) * batches_ + static_cast<std::size_t>(batch);
  std::uint32_t back = wait.layers_back;
  if (wait.marker != Marker::layer_output) {
    // Layers without the marker do not count: dense ones between those with experts.
    back = 0;
    for (std::uint32_t found = 0; found < wait.layers_back && back <= waiting.layer;) {
      ++back;
      found += back <= waiting.layer && markers_[layers_[waiting.layer - back].graph][index] >= 0;
    }
  }
  if (back > waiting.layer) {
    return kNothing;
  }
  const UnrolledLayers::Layer& earlier = layers_[waiting.layer - back];
  const int position = markers_[earlier.graph][index];
  const std::uint32_t instance = earlier.first + static_cast<std::uint32_t>(position);
  return position < 0 || done_[instance] ? kNothing : instance;
}

/// Whether the head of a queue could start.
bool StepRun::ready(std::size_t queue) {
  blocks_[queue] = blocked_by(queues_[queue][heads_[queue]]);
  return blocks_[queue] == kNothing;
}

void StepRun::start_ready() {
  const auto comes_before = [this](std::size_t one, std::size_t other) {
    if (turns_ == Turns::on_end && (one == computed_last_ || other == computed_last_)) {
      return one == computed_last_;
    }
    const Waiting &a = queues_[one][heads_[one]], &b = queues_[other][heads_[other]];
    return a.layer != b.layer ? a.layer < b.layer : a.task < b.task;
  };
  const std::size_t none = queues_.size();
  std::array<std::size_t, kQueueCount> chosen;
  chosen.fill(none);
  for (std::size_t turn = 0; turn < kQueueCount; ++turn) {
    if (busy_[turn]) {
      continue;
    }
    for (const std::size_t queue : used_queues_[turn]) {
      const std::uint32_t block = blocks_[queue];  // mostly a head still waits for what it waited for
      if ((block == kNothing || done_[block]) && heads_[queue] < queues_[queue].size() &&
          (chosen[turn] == none || comes_before(queue, chosen[turn])) && ready(queue)) {
        chosen[turn] = queue;
      }
    }
  }
  for (const std::size_t queue : chosen) {
    if (queue != none) {
      start(queue);
    }
  }
}

void StepRun::start(std::size_t queue) {
  const Waiting& head = queues_[queue][heads_[queue]++];
  const std::size_t turn = kind_of(queue);
  busy_[turn] = true;
  computed_last_ = turn == static_cast<std::size_t>(Queue::device) ? queue : computed_last_;
  const LevelCost& cost = costs_[head.task];
  const UnrolledLayers::Layer& layer = layers_[head.layer];
  Running& started = running_.emplace_back();
  started.instance = layer.first + head.task - graph_.layers[layer.graph].first;
  started.layer = head.layer;
  started.task = head.task;
  started.start = now_;
  started.latency = cost.latency;
  started.progress = cost.busy;
  started.slowed = cost.slowed;
  started.hold = cost.hold;
  if (started.progress > 0) {
    for (const Demand& demand : graph_.tasks[head.task].demands) {
      const double attained = demand.resource == view_.host_memory ? cost.host_memory : 1;
      const double seconds = demand.amount / (view_.resources[demand.resource].capacity * attained);
      started.shares.push_back({demand.resource, std::min(1.0, seconds / started.progress)});
    }
  }
}

/// Max-min fair rates: all tasks speed up together until a resource is full, or one is as fast as it can be beside what
/// holds multiprocessors; those stop there, the rest go on.
void StepRun::share_resources() {
  const std::size_t resources = view_.resources.size();
  used_.assign(resources, 0);
  growing_.resize(resources);
  double held = 0;
  for (const Running& task : running_) {
    held = std::max(held, task.hold);
  }
  std::size_t open = 0;
  for (Running& task : running_) {
    task.rate = task.latency > 0 ? 1 : -1;  // -1: not fixed yet; tasks in their latency occupy nothing
    task.most = 1 / (1 + held * (task.slowed - 1));
    open += task.rate < 0;
  }
  while (open > 0) {
    std::fill(growing_.begin(), growing_.end(), 0.0);
    double level = 1;
    for (const Running& task : running_) {
      if (task.rate < 0) {
        level = std::min(level, task.most);
        for (const Demand& share : task.shares) {
          growing_[share.resource] += share.amount;
        }
      }
    }
    int full = -1;
    for (std::size_t r = 0; r < resources; ++r) {
      if (growing_[r] > 0 && (1 - used_[r]) / growing_[r] < level) {
        level = std::max(0.0, (1 - used_[r]) / growing_[r]);
        full = static_cast<int>(r);
      }
    }
    for (Running& task : running_) {
      if (task.rate >= 0) {
        continue;
      }
      const bool stops =
          full < 0 ? task.most <= level : std::any_of(task.shares.begin(), task.shares.end(), [&](const Demand& share) {
            return share.resource == full && share.amount > 0;
          });
      if (stops) {
        task.rate = level;
        --open;
        for (const Demand& share : task.shares) {
          used_[share.resource] += share.amount * level;
        }
      }
    }
  }
}

void StepRun::advance(std::vector<Span>* spans) {
  double step = std::numeric_limits<double>::infinity();
  for (const Running& task : running_) {
    step = std::min(step, task.latency > 0 ? task.latency : task.progress / task.rate);
  }
  now_ += step;
  for (std::size_t i = 0; i < running_.size();) {
    Running& task = running_[i];
    if (task.latency > 0) {
      task.latency = task.latency <= step * (1 + 1e-12) ? 0 : task.latency - step;
    } else {
      const double left = task.progress - step * task.rate;
      task.progress = left <= 1e-12 * step * task.rate ? 0 : left;
    }
    if (task.latency > 0 || task.progress > 0) {
      ++i;
      continue;
    }
    done_[task.instance] = 1;
    --left_[task.layer];
    ++finished_;
    busy_[static_cast<std::size_t>(graph_.tasks[task.task].queue)] = false;
    if (spans != nullptr) {
      spans->push_back({task.layer, task.task, Seconds{task.start}, Seconds{now_}});
    }
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  while (low_ < layers_.size() && left_[low_] == 0) {
    ++low_;
  }
}

}  // namespace moesaic
