// The tasks of one layer, written one after another by a placement.
#pragma once

#include <vector>

#include "model/layer_weights.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// How a copy between host and device goes through the host's memory.
struct CopyPath {
  /// Through a pinned buffer, by threads of their own or by the driver: the host's memory moves the bytes 3 times.
  bool staged = false;
  bool pageable = false;  ///< by the driver, whose one thread sets the pace
  bool in_turn = false;   ///< the thread that launches waits for it: it takes the device's turn
};

/// How often decode attention on `unit` reads keys and values: once, unless one read serves fewer queries than share
/// them.
double cache_passes(const Operator& op, const UnitView& unit);
/// Attention that reads keys and values so often.
Operator in_passes(const Operator& op, double passes);

/// Writes the tasks of one layer. Keeps the layer's main chain: by default a task waits for the chain's last one.
/// Communication that runs beside (Operator::beside) waits for it too, and the chain waits for that where it joins;
/// chunks (Operator::chunk) are chains beside each other.
class LayerWriter {
 public:
  LayerWriter(StepGraph& graph, const MachineView& view) : graph_(graph), view_(view) {}

  const MachineView& view() const { return view_; }
  /// Every sequence of the step has one new token.
  bool only_decodes() const { return graph_.only_decodes; }
  /// The task that the next chained task will wait for, or none at the layer's start.
  int last() const { return last_; }
  double step_tokens() const { return graph_.tokens; }               ///< of the whole step, on this rank
  std::size_t size() const { return graph_.tasks.size() - first_; }  ///< tasks written for this layer so far
  Task& task(int index) { return graph_.tasks[first_ + static_cast<std::size_t>(index)]; }

  /// An operator on a unit: demands its arithmetic and its channel to memory. Joins the chain.
  int run(const Operator& op, const Work& work, std::size_t unit, Queue queue);
  /// A collective on the scale-up link and, over several nodes, the network. Joins the chain.
  int communicate(const Operator& op, const Work& work);
  /// A copy between the main unit's memory and that of `unit`, which is apart. Joins the chain.
  int hand_over(const Operator& op, Bytes bytes, std::size_t unit, bool to_unit);
  /// A copy between host and device memory on its direction's queue; waits for nothing and does not join the chain.
  int copy(const Operator& op, Bytes bytes, bool to_device, CopyPath path = {});
  /// A copy to the device on the prefetch queue, not before the layer `layers` back has left its buffer.
  int prefetch(const Operator& op, Bytes bytes, int layers, CopyPath path = {});
  /// A read from the host's storage into its memory, as early as a prefetch.
  int read_storage(const Operator& op, Bytes bytes, int layers);
  /// A write from the host's memory to its storage; waits for nothing and does not join the chain.
  int write_storage(const Operator& op, Bytes bytes);
  /// `task` waits for `before` (of the same layer).
  void wait(int task, int before);
  /// `task` waits for this batch's marker of the layer that is `layers_back` layers with such a marker back.
  void wait_for(int task, Marker marker, int layers_back);
  /// The end of `task` is this layer's and batch's `marker`.
  void set(int task, Marker marker) { this->task(task).sets = marker; }
  /// Makes `task` the end of the chain.
  void chain(int task) { last_ = task; }

  /// What a placement remembers of the layer that it writes.
  struct Notes {
    bool on_device = false;      ///< all of the layer
    int dense_in = -1;           ///< the copy that brings the layer's dense weights
    int experts_in = -1;         ///< the copy that brings its experts
    Bytes expert{};              ///< of one expert
    bool passes_stream = false;  ///< its residual stream comes from elsewhere and goes back
    double experts = 0;          ///< that the rank holds
    // Of the batch:
    int beside = -1;       ///< what the chain's next task waits for besides
    bool attends = false;  ///< the chain is within attention, which began behind this task:
    int attention_from = -1;
    FewOf<int, 4> returning;  ///< what its output still needs
    bool deferring = false;   ///< and what the layer before put off
    double elements = 0;      ///< of the experts' output
    /// Experts that are still to be divided, once it is known what the device computes beside them, and behind which
    /// task they were chosen.
    std::vector<Operator> divided;
    int routed = -1;
    Bytes stream{};  ///< of the residual stream that has come
    StorageType activations{};
    Bytes new_cache{};  ///< keys and values that a unit's own memory has not got yet
    /// Of attention that is worked on in groups of heads: operators before it that are still to be written, and by
    /// group the last task of those that were and of its attention.
    std::vector<Operator> held;
    std::vector<int> begun, attended;
    std::vector<Operator> feed_forward;  ///< of a dense layer, before its last one is there
  };
  Notes& notes() { return notes_; }

  void begin_layer(double executions);
  /// What follows is the same layer for the step's next batch: a chain of its own, on the queues of that batch.
  void begin_next_batch();
  /// The next batch's tasks are those of this one, which is not the first, and of which nothing but its own tasks waits
  /// for any of them. All that were copied follow each other.
  void copy_batch();
  /// Of the batches of this layer, from 0.
  int batch() const { return batch_; }
  /// Marks the layer's output and decides whether the layer is one chain.
  void end_layer();

 private:
  void join_chain(int index);
  void join_chunks(int index);
  void end_batch();
  static constexpr std::size_t kMostBeside = 3;  // what a task can wait for, less the chain

  StepGraph& graph_;
  const MachineView& view_;
  std::size_t first_ = 0;
  int last_ = -1;
  int batch_ = 0;
  std::size_t batch_first_ = 0;  ///< of the layer's tasks, the batch's first
  Notes notes_;
  std::vector<int> beside_;  ///< running beside the chain
  std::vector<int> chunks_;  ///< the last task of each chunk, -1 before its first
  std::vector<char> ends_;   ///< tasks of the layer that none waits for
};

}  // namespace moesaic
