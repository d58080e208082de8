// One run of a step by events; behind sim/executor.hpp.
#pragma once

#include <array>
#include <bit>
#include <compare>
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
    std::uint32_t row = 0;  ///< of a run: where its graph's queues begin in StepRun::starts_
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
class StepRun {
 public:
  StepRun(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs, UnrolledLayers unrolled);

  /// Runs it from its beginning. Fills `spans` where given; without them equal layers are not repeated.
  Seconds run(const CostLevel& level, Turns turns, std::vector<Span>* spans = nullptr);

 private:
  static constexpr std::uint32_t kNothing = 0xffffffff;
  static constexpr std::uint32_t kAllKinds = (1U << kQueueCount) - 1;
  static constexpr int kSharedBits = 7;
  /// A task of the graph.
  struct Known {
    std::uint32_t place = 0;  ///< index into order_
    std::uint32_t like = 0;   ///< index into originals_: the task of which it is a copy, or itself
    std::uint32_t queue = 0;  ///< index into queues_
    std::uint32_t index = 0;  ///< among its layer's tasks on that queue
    bool needs = false;       ///< it waits for others than those before it on its queue
  };
  /// A task that is no copy.
  struct Original {
    std::uint32_t task = 0;
    bool leads = false;        ///< its end lets nothing go on but its queue's next task of the layer, if
    std::uint32_t stores = 0;  ///< these kinds of queues, as bits, take no time
  };
  /// The same at the level that is run, of what is no copy: few, so that they stay at hand.
  struct AtLevel {
    LevelCost cost;
    FewOf<Demand, 4> shares;  ///< of each resource's capacity at full speed
    // What is started with it as one (sim/step_chains.cpp):
    std::uint32_t followers = 0;  ///< tasks behind it on its queue
    bool leads = false;           ///< and the next one, once that waits for nothing else
    double rest = 0;              ///< seconds that the followers take
  };
  /// What a task of the graph waits for, but for those before it on its queue.
  struct Needs {
    struct Before {
      std::uint32_t queue = 0;
      std::uint32_t index = 0;  ///< among its layer's tasks on that queue
    };
    FewOf<Before, 4> before;  ///< of its layer
    FewOf<Task::Wait, 2> waits;
    std::uint32_t batch = 0;
  };
  struct Running {
    std::uint32_t layer = 0;      ///< position in the step
    std::uint32_t task = 0;       ///< index into the graph
    std::uint32_t followers = 0;  ///< tasks behind it on its queue that are started with it (sim/step_chains.cpp)
    double start = 0;
    double latency = 0;   ///< left of the fixed part, and of what follows
    double progress = 0;  ///< seconds at full speed left of the busy part
    double rate = 1;
    double most = 1;  ///< rate beside what runs now
    bool over() const { return !(latency > 0) && !(progress > 0); }
  };
  /// A task in a queue: its layer's position, and how many of that layer's tasks on the queue are before it. The end of
  /// a queue is behind all layers.
  struct Point {
    Point() = default;
    Point(std::uint32_t layer, std::uint32_t index) : order((std::uint64_t{layer} << 32U) + index) {}
    std::uint32_t layer() const { return static_cast<std::uint32_t>(order >> 32U); }
    std::uint32_t index() const { return static_cast<std::uint32_t>(order); }
    auto operator<=>(const Point&) const = default;
    std::uint64_t order = 0;
  };
  struct UsedQueue {
    std::uint32_t kind = 0;
    std::uint32_t batch = 0;
    Point head;   ///< its next task
    Point ended;  ///< its first task that is not done
    /// The task that its head waits for, of the queue in whose list of waiters it is; none: of no layer.
    Point waits_until{kNothing, 0};
    std::uint32_t first_waiter = kNothing;  ///< a queue that waits for a task of this one
    std::uint32_t next_waiter = kNothing;   ///< another that waits for a task of the same queue
  };
  /// A task that another one waits for.
  struct Need {
    std::uint32_t queue = 0;
    Point task;
  };
  /// A queue's head that could start; the first in the order written is the least.
  struct Ready {
    std::uint64_t order = 0;  ///< position of the layer, then the task
    std::uint32_t layer() const { return static_cast<std::uint32_t>(order >> 32U); }
    std::uint32_t task() const { return static_cast<std::uint32_t>(order); }
  };
  /// Where everything stands when a layer begins, relative to that layer.
  struct State {
    std::uint32_t position = 0;
    double now = 0;
    std::vector<Point> points;    ///< heads of queues, running tasks, and who computed last
    std::vector<double> seconds;  ///< left of what runs
    bool same_as(const State& other) const;
  };

  /// Tasks that share resources, and their rates.
  struct SharedRates {
    std::uint32_t kinds = 0;                       ///< of their queues, as bits
    std::array<std::uint32_t, kQueueCount> tasks;  ///< by kind of queue: Known::like; none where one is in its latency
    std::array<double, kQueueCount> rates;
  };

  /// Where everything stands when a batch begins in a layer.
  struct BatchState {
    std::uint32_t layer = kNothing;
    std::uint32_t batch = 0;
    std::uint32_t patience = 1;  ///< so many batches are compared with it,
    std::uint32_t left = 0;      ///< of which so many are left
    double now = 0;
    std::uint32_t idle = 0;
    std::array<Running, kQueueCount> running;
    std::vector<Point> heads;
  };

  // In sim/step_queues.cpp.
  void list_queues();
  void find_needs();
  void find_markers();
  /// Tasks of a queue in the layer at a position.
  std::uint32_t count(std::uint32_t layer, std::uint32_t queue) const {
    const std::uint32_t* const start = &starts_[layers_[layer].row + queue];
    return start[1] - start[0];
  }
  const AtLevel& now_of(std::uint32_t task) const { return at_level_[known_[task].like]; }
  std::uint32_t task_at(std::uint32_t queue, Point point) const {
    return order_[starts_[layers_[point.layer()].row + queue] + point.index()];
  }
  /// The queue's first task that is not before `point`.
  Point first_from(std::uint32_t queue, Point point) const {
    std::uint32_t layer = point.layer(), index = point.index();
    while (layer < end_ && index == count(layer, queue)) {
      ++layer;
      index = 0;
    }
    return {layer, index};
  }
  void examine(std::uint32_t queue);
  void examine_all();
  bool done(const Need& need) const { return need.task < queues_[need.queue].ended; }
  /// Whether a task of the layer at a position waits for one that is not done, and for which.
  bool waits(std::uint32_t task, std::uint32_t layer, Need& need) const {
    const Needs& needs = needs_[task];
    for (const Needs::Before& before : needs.before) {
      need.queue = before.queue;
      need.task = {layer, before.index};
      if (!done(need)) {
        return true;
      }
    }
    return needs.waits.size() > 0 && waits_for_marker(needs, layer, need);
  }
  bool waits_for_marker(const Needs& needs, std::uint32_t layer, Need& need) const;
  bool find_marked(const Task::Wait& wait, std::uint32_t layer, std::uint32_t batch, Need& need) const;
  void pass(std::uint32_t queue);
  void settle();
  void wake_waiters(std::uint32_t queue);
  Ready take_ready(std::size_t kind);

  // In sim/step_chains.cpp.
  void find_chains();
  std::uint32_t next_on_queue(const LayerGraph& layer, std::uint32_t task) const;
  bool only_stores(const LayerGraph& layer, std::uint32_t task, std::uint32_t before) const;
  void find_undisturbed();
  void link_chains();
  void follow(Running& started) const;
  void cut_chain(std::uint32_t kind, std::uint64_t order);

  void find_cost(std::uint32_t like, const CostLevel& level);
  void begin(const CostLevel& level, Turns turns);
  void start_ready();
  void start(const Ready& ready);
  std::uint32_t busy() const { return ~idle_ & kAllKinds; }
  Running& running_on(std::uint32_t kinds) { return running_[static_cast<std::size_t>(std::countr_zero(kinds))]; }
  const Running& running_on(std::uint32_t kinds) const {
    return running_[static_cast<std::size_t>(std::countr_zero(kinds))];
  }
  void find_rates();
  void share_resources();
  void advance();
  void pass_time(Running& task, double step);
  void end(const Running& task);

  // In sim/step_repeats.cpp.
  bool layer_begins() const { return first_on_device_ != kNothing && queues_[first_on_device_].head.layer() > begun_; }
  void skip_repeats();
  bool used_in_block(std::uint32_t queue, std::uint32_t position) const;
  bool all_in_block(std::uint32_t position) const;
  std::uint32_t untouched(std::uint32_t position) const;
  State state_at(std::uint32_t position) const;
  void jump(std::uint32_t position, std::uint32_t repeats, const State& before);

  // In sim/step_batches.cpp.
  void find_alike_batches();
  void skip_batches();
  std::uint32_t batch_repeats(std::uint32_t period) const;
  void jump_batches(std::uint32_t period, std::uint32_t repeats);

  const StepGraph& graph_;
  const MachineView& view_;
  std::vector<UnrolledLayers::Layer> layers_;
  std::span<const TaskCost> costs_;
  std::uint32_t end_;  // position behind all layers
  std::uint32_t batches_;
  std::vector<Known> known_;            // of the graph's tasks
  std::vector<Original> originals_;     // tasks that are no copies
  std::vector<AtLevel> at_level_;       // by Known::like
  std::vector<Needs> needs_;            // of the same
  std::vector<std::uint32_t> order_;    // the graph's tasks, those of each layer by queue
  std::vector<std::uint32_t> starts_;   // in order_: of each queue in each of the graph's layers, and each layer's end
  std::vector<std::uint32_t> markers_;  // the task that sets each marker for each batch in each of the graph's layers
  std::vector<UsedQueue> queues_;       // by kind, then by batch
  std::array<std::vector<Ready>, kQueueCount> ready_;  // by kind, the first in the order written at the end
  std::uint32_t could_start_ = 0;                      // kinds of queues with a task that could start, as bits
  std::uint32_t take_time_ = 0;                        // kinds of queues with a task that costs anything, as bits
  std::uint32_t idle_ = 0;                             // kinds of queues on which nothing runs
  Turns turns_ = Turns::in_order;
  std::uint32_t first_on_device_ = kNothing;  // the first batch's queue of the device
  std::uint32_t computed_last_ = kNothing;    // queue of the device
  std::array<Running, kQueueCount> running_;  // by kind of queue, where one is not idle
  bool time_passed_ = false;                  // before the tasks ended that have just ended
  bool some_over_ = false;                    // of those running, which end as they start
  bool rates_hold_ = false;                   // what shares resources is what did when rates were shared out
  std::vector<std::uint32_t> ended_;          // queues of which a task has just ended
  std::vector<Span>* spans_ = nullptr;        // where they are asked for
  std::vector<double> used_, growing_;        // of each resource, while rates are shared out
  std::array<SharedRates, std::size_t{1} << kSharedBits> shared_;  // found before, by hash
  bool chains_ = false;                                            // tasks that follow each other are started as one
  std::vector<std::uint32_t> users_;  // kinds of queues whose tasks demand each resource, as bits
  std::vector<State> states_;
  std::uint32_t alike_end_ = 0;         // batches from 1 to this one have the same tasks in each layer; 0: none
  std::vector<std::uint32_t> strides_;  // tasks of one of them in each of the graph's layers
  std::optional<Ready> batch_begun_;    // a batch's first task in a layer, just started
  BatchState batch_state_;
  std::uint32_t begun_ = 0;  // the last layer whose first task on the device has come up
  double now_ = 0;
};

}  // namespace moesaic
