// The seam where systems differ: a placement turns operators into tasks. Where weights, cache and computation live and
// what moves when. Each placement is one file in model/placements/ and one line in placement.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/memory.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// Writes the tasks of one layer. Keeps the layer's main chain: by default a task waits for the chain's last one.
/// Communication that runs beside (Operator::beside) waits for it too, and the chain waits for that where it joins;
/// chunks (Operator::chunk) are chains beside each other.
class LayerWriter {
 public:
  LayerWriter(StepGraph& graph, const MachineView& view) : graph_(graph), view_(view) {}

  const MachineView& view() const { return view_; }
  /// The task that the next chained task will wait for, or none at the layer's start.
  int last() const { return last_; }
  std::size_t size() const { return graph_.tasks.size() - first_; }  ///< tasks written for this layer so far
  Task& task(int index) { return graph_.tasks[first_ + static_cast<std::size_t>(index)]; }

  /// An operator on a unit: demands its arithmetic and its channel to memory. Joins the chain.
  int run(const Operator& op, const Work& work, std::size_t unit, Queue queue);
  /// A collective on the scale-up link and, over several nodes, the network. Joins the chain.
  int communicate(const Operator& op, const Work& work);
  /// A copy between host and device memory on its direction's queue; waits for nothing and does not join the chain.
  int copy(const Operator& op, Bytes bytes, bool to_device);
  /// A copy to the device on the prefetch queue, not before the layer `layers` back has left its buffer.
  int prefetch(const Operator& op, Bytes bytes, int layers);
  /// `task` waits for `before` (of the same layer).
  void wait(int task, int before);
  /// Makes `task` the end of the chain.
  void chain(int task) { last_ = task; }

  void begin_layer(double executions);
  /// What follows is the same layer for the step's other batch: a chain of its own, on the queues of that batch.
  void begin_other_batch();
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
  int lane_ = 0;             ///< 1: writing the other batch
  std::vector<int> beside_;  ///< running beside the chain
  std::vector<int> chunks_;  ///< the last task of each chunk, -1 before its first
  std::vector<char> ends_;   ///< tasks of the layer that none waits for
};

class Placement {
 public:
  virtual ~Placement() = default;
  virtual std::string_view name() const = 0;
  virtual MemoryHomes homes() const = 0;
  /// Whether it can write a layer for two batches that take turns.
  virtual bool two_batches() const { return false; }
  /// Throws UserError when the machine lacks what the placement needs (a host, a second unit).
  virtual void check(const Machine& machine) const = 0;
  /// Called before a layer's operators with the bytes of its weights on this rank (zero for the input and output parts,
  /// whose tables stay on the device).
  virtual void begin_layer(LayerWriter& writer, Bytes weights) const;
  virtual void place(LayerWriter& writer, const Operator& op, const Work& work) const = 0;
};

using PlacementPointer = std::shared_ptr<const Placement>;

/// A registered placement by name. Throws UserError with the nearest name.
PlacementPointer make_placement(std::string_view name);
struct PlacementSummary {
  std::string name;
  std::string description;
};
std::vector<PlacementSummary> list_placements();

/// One function per file in model/placements/.
PlacementPointer resident_placement();  ///< everything on the device's main unit and memory
PlacementPointer
streamed_placement();  ///< weights and cache on the host; weights streamed; decode attention on the CPU
PlacementPointer two_unit_placement();  ///< each operator on the device unit that is faster for it at peak rates

}  // namespace moesaic
