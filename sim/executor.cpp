#include "sim/executor.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// A layer of the step, in order: which layer graph, and where its task instances start.
struct Instance {
  std::uint32_t layer = 0;
  std::uint32_t first = 0;
};

struct Running {
  std::uint32_t instance = 0;  ///< task instance
  std::uint32_t layer = 0;     ///< position in the step
  std::uint32_t task = 0;      ///< index into the graph
  double start = 0;
  double latency = 0;   ///< left of the fixed part
  double progress = 0;  ///< seconds at full speed left of the busy part
  double rate = 1;
  FewOf<Demand, 4> shares;  ///< of each resource's capacity at full speed
};

std::vector<Instance> unroll(const StepGraph& graph) {
  std::vector<Instance> instances;
  std::uint32_t next = 0;
  const auto add = [&](std::size_t layer) {
    instances.push_back({static_cast<std::uint32_t>(layer), next});
    next += graph.layers[layer].count;
  };
  add(0);
  for (const LayerBlock& block : *graph.blocks) {
    for (std::int64_t i = 0; i < block.repeats; ++i) {
      for (const int kind : block.kinds) {
        add(static_cast<std::size_t>(kind) + 1);
      }
    }
  }
  add(graph.layers.size() - 1);
  return instances;
}

/// Position in its layer of the task that sets each marker, -1 where none does.
using MarkerTasks = std::array<int, kMarkerCount>;

MarkerTasks marker_tasks(const StepGraph& graph, const LayerGraph& layer) {
  MarkerTasks positions;
  positions.fill(-1);
  const auto tasks = graph.tasks_of(layer);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    positions[static_cast<std::size_t>(tasks[i].sets)] = static_cast<int>(i);
  }
  return positions;
}

class Simulation {
 public:
  Simulation(const StepGraph& graph, const MachineView& view, const CostModel& cost, const CostLevel& level)
      : graph_(graph), view_(view), cost_(cost), level_(level), layers_(unroll(graph)) {
    for (const LayerGraph& layer : graph.layers) {
      markers_.push_back(marker_tasks(graph, layer));
    }
    std::uint32_t total = 0;
    for (std::uint32_t position = 0; position < layers_.size(); ++position) {
      const LayerGraph& layer = graph.layers[layers_[position].layer];
      for (std::uint32_t i = 0; i < layer.count; ++i) {
        queues_[static_cast<std::size_t>(graph.tasks[layer.first + i].queue)].push_back({position, layer.first + i});
      }
      total += layer.count;
    }
    done_.assign(total, 0);
  }

  Timeline run() {
    Timeline timeline;
    timeline.spans.reserve(done_.size());
    while (timeline.spans.size() < done_.size()) {
      start_ready();
      MOESAIC_ASSERT(!running_.empty());
      share_resources();
      advance(timeline);
    }
    timeline.total = Seconds{now_};
    return timeline;
  }

 private:
  struct Waiting {
    std::uint32_t layer = 0;
    std::uint32_t task = 0;
  };

  std::uint32_t instance_of(const Waiting& waiting) const {
    const Instance& layer = layers_[waiting.layer];
    return layer.first + waiting.task - graph_.layers[layer.layer].first;
  }

  bool ready(const Waiting& waiting) const {
    const Task& task = graph_.tasks[waiting.task];
    const std::uint32_t first = layers_[waiting.layer].first;
    for (const std::uint16_t before : task.after) {
      if (!done_[first + before]) {
        return false;
      }
    }
    for (const Task::Wait& wait : task.waits) {
      if (wait.layers_back > waiting.layer) {
        continue;
      }
      const Instance& earlier = layers_[waiting.layer - wait.layers_back];
      const int position = markers_[earlier.layer][static_cast<std::size_t>(wait.marker)];
      if (position >= 0 && !done_[earlier.first + static_cast<std::uint32_t>(position)]) {
        return false;
      }
    }
    return true;
  }

  void start_ready() {
    for (std::size_t queue = 0; queue < kQueueCount; ++queue) {
      if (busy_[queue] || heads_[queue] == queues_[queue].size()) {
        continue;
      }
      const Waiting& head = queues_[queue][heads_[queue]];
      if (!ready(head)) {
        continue;
      }
      busy_[queue] = true;
      ++heads_[queue];
      const Task& task = graph_.tasks[head.task];
      const Estimate estimate = cost_at_level(task, view_, cost_, level_);
      Running& started = running_.emplace_back();
      started.instance = instance_of(head);
      started.layer = head.layer;
      started.task = head.task;
      started.start = now_;
      started.latency = estimate.latency.value;
      started.progress = estimate.busy.value;
      if (started.progress > 0) {
        for (const Demand& demand : task.demands) {
          const double seconds = demand.amount / view_.resources[demand.resource].capacity;
          started.shares.push_back({demand.resource, std::min(1.0, seconds / started.progress)});
        }
      }
    }
  }

  /// Max-min fair rates: all tasks speed up together until a resource is full; those on it stop there, the rest go on.
  void share_resources() {
    std::array<double, 256> used{};
    std::array<double, 256> growing{};
    std::size_t open = 0;
    for (Running& task : running_) {
      task.rate = task.latency > 0 ? 1 : -1;  // -1: not fixed yet; tasks in their latency occupy nothing
      open += task.rate < 0;
    }
    while (open > 0) {
      growing.fill(0);
      for (const Running& task : running_) {
        if (task.rate < 0) {
          for (const Demand& share : task.shares) {
            growing[share.resource] += share.amount;
          }
        }
      }
      double level = 1;
      int full = -1;
      for (std::size_t r = 0; r < view_.resources.size(); ++r) {
        if (growing[r] > 0 && (1 - used[r]) / growing[r] < level) {
          level = std::max(0.0, (1 - used[r]) / growing[r]);
          full = static_cast<int>(r);
        }
      }
      for (Running& task : running_) {
        if (task.rate >= 0) {
          continue;
        }
        const bool held = full < 0 || std::any_of(task.shares.begin(), task.shares.end(), [&](const Demand& share) {
                            return share.resource == full && share.amount > 0;
                          });
        if (held) {
          task.rate = level;
          --open;
          for (const Demand& share : task.shares) {
            used[share.resource] += share.amount * level;
          }
        }
      }
    }
  }

  void advance(Timeline& timeline) {
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
      busy_[static_cast<std::size_t>(graph_.tasks[task.task].queue)] = false;
      timeline.spans.push_back({task.layer, task.task, Seconds{task.start}, Seconds{now_}});
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  const StepGraph& graph_;
  const MachineView& view_;
  const CostModel& cost_;
  CostLevel level_;
  std::vector<Instance> layers_;
  std::vector<MarkerTasks> markers_;
  std::array<std::vector<Waiting>, kQueueCount> queues_;
  std::array<std::size_t, kQueueCount> heads_{};
  std::array<bool, kQueueCount> busy_{};
  std::vector<char> done_;
  std::vector<Running> running_;
  double now_ = 0;
};

}  // namespace

Estimate cost_at_level(const Task& task, const MachineView& view, const CostModel& cost, const CostLevel& level) {
  if (task.communication && !level.communication) {
    return {};
  }
  Estimate estimate = cost.cost(task, view);
  if (!level.kernel_efficiency) {
    estimate.busy = peak_seconds(task, view);
  }
  if (!level.latency) {
    estimate.latency = Seconds{0};
  }
  return estimate;
}

Timeline execute(const StepGraph& graph, const MachineView& view, const CostModel& cost, const CostLevel& level) {
  return Simulation(graph, view, cost, level).run();
}

}  // namespace moesaic
