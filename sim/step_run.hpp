// One run of a step by events; behind sim/executor.hpp.
#pragma once

#include <array>
#include <optional>

#include "sim/executor.hpp"

namespace moesaic {

/// Layers of a step in their order, and which of them repeat.
struct UnrolledLayers {
  struct Layer {
    std::uint32_t graph = 0;  ///< index into StepGraph::layers
    std::uint32_t begin = 0;  ///< of the block that it is in: positions [begin, end), equal layers `period` apart
    std::uint32_t end = 0;
    std::uint32_t period = 0;
  };
  std::vector<Layer> layers;
};
UnrolledLayers unroll(const StepGraph& graph);
/// One layer on its own.
UnrolledLayers only_layer(std::size_t layer);

/// Which of several batches computes where more than one could.
enum class Turns : std::uint8_t {
  in_order,  ///< whose task comes first in the order written: what arrives goes ahead (DeepSeek's decoding)
  on_end     ///< the one that computed last, until it has to wait (DeepSeek's prefill)
};

/// Tasks are done in their queue's order, so that a point in each queue says which are.
/// Tasks are done in their queue's order, so that a point in each queue says which are.
class StepRun {
 public:
  StepRun(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs, const CostLevel& level,
          UnrolledLayers unrolled, Turns turns = Turns::in_order);

  /// Fills `spans` where given; without them equal layers are not repeated.
  Seconds run(std::vector<Span>* spans);

 private:
  static constexpr std::uint32_t kNothing = 0xffffffff;
  /// A task of the graph.
  struct Known {
    std::uint32_t queue = 0;  ///< index into queues_
    std::uint32_t index = 0;  ///< among its layer's tasks on that queue
    LevelCost cost;
    FewOf<Demand, 4> shares;  ///< of each resource's capacity at full speed
  };
  struct Running {
    std::uint32_t layer = 0;  ///< position in the step
    std::uint32_t task = 0;   ///< index into the graph
    double start = 0;
    double latency = 0;   ///< left of the fixed part
    double progress = 0;  ///< seconds at full speed left of the busy part
    double rate = 1;
    double most = 1;  ///< rate beside what runs now
    bool over() const { return !(latency > 0) && !(progress > 0); }
  };
  /// A task in a queue: its layer's position, and how many of that layer's tasks on the queue are before it. The end of
  /// a queue is behind all layers.
  struct Point {
    std::uint32_t layer = 0;
    std::uint32_t index = 0;
    auto operator<=>(const Point&) const = default;
  };
  struct UsedQueue {
    std::uint32_t kind = 0;
    std::uint32_t batch = 0;
    Point head;         ///< its next task
    Point ended;        ///< its first task that is not done
    Point waits_until;  ///< the task that its head waits for, of the queue in whose list of waiters it is
    std::uint32_t first_waiter = kNothing;  ///< a queue that waits for a task of this one
    std::uint32_t next_waiter = kNothing;   ///< another that waits for a task of the same queue
  };
  /// A queue whose head could start; the first in the order written is the least.
  struct Ready {
    std::uint32_t layer = 0;
    std::uint32_t task = 0;
    std::uint32_t queue = 0;
    auto operator<=>(const Ready&) const = default;
  };
  /// Where everything stands when a layer begins, relative to that layer.
  struct State {
    std::uint32_t position = 0;
    double now = 0;
    std::vector<std::int64_t> counts;
    std::vector<double> seconds;
    bool same_as(const State& other) const;
  };

  // In sim/step_queues.cpp.
  void list_queues();
  void find_markers();
  std::uint32_t count(std::uint32_t layer, std::uint32_t queue) const;
  std::uint32_t task_at(std::uint32_t queue, Point point) const;
  Point first_from(std::uint32_t queue, Point point) const;
  void examine(std::uint32_t queue);
  bool waits(std::uint32_t queue);
  bool waits_for(std::uint32_t queue, std::uint32_t layer, std::uint32_t task);
  bool waits_for(std::uint32_t queue, const Task::Wait& wait, std::uint32_t batch);
  void wake_waiters(std::uint32_t queue);
  Ready take_ready(std::size_t kind);

  void start_ready();
  void start(const Ready& ready);
  void share_resources();
  void advance(std::vector<Span>* spans);

  // In sim/step_repeats.cpp.
  void skip_repeats();
  bool used_in_block(std::uint32_t queue, std::uint32_t position) const;
  std::uint32_t last_touched(std::uint32_t position) const;
  State state_at(std::uint32_t position) const;
  void jump(std::uint32_t position, std::uint32_t repeats, const State& before);

  const StepGraph& graph_;
  const MachineView& view_;
  std::vector<UnrolledLayers::Layer> layers_;
  std::uint32_t batches_;
  std::vector<Known> known_;            // of the graph's tasks
  std::vector<std::uint32_t> order_;    // the graph's tasks, those of each layer by queue
  std::vector<std::uint32_t> starts_;   // in order_: of each queue in each of the graph's layers, and each layer's end
  std::vector<std::uint32_t> markers_;  // the task that sets each marker for each batch in each of the graph's layers
  std::vector<UsedQueue> queues_;       // by kind, then by batch
  std::array<std::vector<Ready>, kQueueCount> ready_;  // heaps, by kind
  std::array<bool, kQueueCount> busy_{};               // by kind
  Turns turns_;
  std::uint32_t first_on_device_ = kNothing;  // the first batch's queue of the device
  std::uint32_t computed_last_ = kNothing;    // queue of the device
  std::vector<Running> running_;
  bool some_over_ = false;              // of those running, which end as they start
  std::vector<std::uint32_t> ended_;    // queues of which a task has just ended
  std::vector<double> used_, growing_;  // of each resource, while rates are shared out
  std::vector<State> states_;
  std::uint32_t begun_ = 0;      // the last layer whose first task on the device has come up
  std::uint32_t most_back_ = 1;  // layers that a task may look back
  double now_ = 0;
};

}  // namespace moesaic
