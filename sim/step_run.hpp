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
    std::uint32_t first = 0;  ///< its first task instance
    std::uint32_t begin = 0;  ///< of the block that it is in: positions [begin, end), equal layers `period` apart
    std::uint32_t end = 0;
    std::uint32_t period = 0;
  };
  std::vector<Layer> layers;
  std::uint32_t instances = 0;
};
UnrolledLayers unroll(const StepGraph& graph);
/// One layer on its own.
UnrolledLayers only_layer(const StepGraph& graph, std::size_t layer);

/// Which of several batches computes where more than one could.
enum class Turns : std::uint8_t {
  in_order,  ///< whose task comes first in the order written: what arrives goes ahead (DeepSeek's decoding)
  on_end     ///< the one that computed last, until it has to wait (DeepSeek's prefill)
};

class StepRun {
 public:
  StepRun(const StepGraph& graph, const MachineView& view, std::span<const TaskCost> costs, const CostLevel& level,
          UnrolledLayers unrolled, Turns turns = Turns::in_order);

  /// Fills `spans` where given; without them equal layers are not repeated.
  Seconds run(std::vector<Span>* spans);

 private:
  struct Running {
    std::uint32_t instance = 0;
    std::uint32_t layer = 0;  ///< position in the step
    std::uint32_t task = 0;   ///< index into the graph
    double start = 0;
    double latency = 0;   ///< left of the fixed part
    double progress = 0;  ///< seconds at full speed left of the busy part
    double rate = 1;
    double most = 1;  ///< rate beside what runs now
    double slowed = 1;
    double hold = 0;
    FewOf<Demand, 4> shares;  ///< of each resource's capacity at full speed
  };
  static constexpr std::uint32_t kNothing = 0xffffffff;
  struct Waiting {
    std::uint32_t layer = 0;
    std::uint32_t task = 0;
  };
  /// Position in its layer of the task that sets each marker for each batch, or -1.
  using MarkerTasks = std::vector<int>;
  /// Where everything stands when a layer begins, relative to that layer.
  struct State {
    std::uint32_t position = 0;
    double now = 0;
    std::vector<std::int64_t> counts;
    std::vector<double> seconds;
    bool same_as(const State& other) const;
  };

  /// A task instance that `waiting` waits for and that is not done; kNothing: none, it could start.
  std::uint32_t blocked_by(const Waiting& waiting) const;
  std::uint32_t unmet(const Waiting& waiting, const Task::Wait& wait, int batch) const;
  bool ready(std::size_t queue);
  std::size_t queue_of(const Task& task) const { return static_cast<std::size_t>(task.queue) * batches_ + task.batch; }
  std::size_t kind_of(std::size_t queue) const { return queue / batches_; }
  void start_ready();
  void start(std::size_t queue);
  void share_resources();
  void advance(std::vector<Span>* spans);
  void skip_repeats();
  std::uint32_t last_touched(std::uint32_t position) const;
  State state_at(std::uint32_t position) const;
  void jump(std::uint32_t position, std::uint32_t repeats, const State& before);

  const StepGraph& graph_;
  const MachineView& view_;
  std::vector<LevelCost> costs_;  // of the graph's tasks
  std::vector<UnrolledLayers::Layer> layers_;
  std::vector<MarkerTasks> markers_;
  std::size_t batches_;
  // One for each kind of queue and batch.
  std::vector<std::vector<Waiting>> queues_;
  std::vector<std::vector<std::uint32_t>> queue_starts_;  // entries of layers before each position
  std::vector<std::size_t> heads_;
  std::vector<std::uint32_t> blocks_;                              // what each head was last found to wait for
  std::array<std::vector<std::size_t>, kQueueCount> used_queues_;  // by kind
  std::array<bool, kQueueCount> busy_{};                           // by kind
  Turns turns_;
  std::size_t computed_last_ = 0;  // queue
  std::vector<char> done_;
  std::vector<std::uint32_t> left_;  // tasks of each layer that are not done
  std::vector<Running> running_;
  std::vector<double> used_, growing_;  // of each resource, while rates are shared out
  std::vector<State> states_;
  std::size_t finished_ = 0;
  std::uint32_t low_ = 0;        // the first layer that is not done
  std::uint32_t begun_ = 0;      // the last layer whose first task on the device has come up
  std::uint32_t most_back_ = 1;  // layers that a task may look back
  double now_ = 0;
};

}  // namespace moesaic
