// The tasks of one step of the network on one rank, and what each waits for. Identical layers are stored once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "model/architecture.hpp"
#include "model/machine_view.hpp"
#include "model/operator.hpp"

namespace moesaic {

/// A vector of at most N values, in place: no allocation while steps are built.
template <class T, std::size_t N>
class FewOf {
 public:
  void push_back(const T& value);
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + size_; }
  T* begin() { return items_.data(); }
  T* end() { return items_.data() + size_; }
  std::size_t size() const { return size_; }
  const T& operator[](std::size_t i) const { return items_[i]; }

 private:
  std::array<T, N> items_{};
  std::uint32_t size_ = 0;
};

/// What a task occupies: seconds at peak of an arithmetic resource, bytes of a memory or link.
struct Demand {
  ResourceId resource = 0;
  double amount = 0;
};

/// Things that tasks run on, one after another in the order written. `prefetch` copies to the device too, ahead of the
/// computation and beside the copies that the computation waits for. Each batch of a step with several has queues of
/// its own, but they take turns: of the tasks of one kind of queue one runs at a time, of those that could start the
/// first one in the order written.
enum class Queue : std::uint8_t {
  device,
  second_unit,
  host,
  to_device,
  to_host,
  prefetch,
  storage,
  network,
  to_unit,  ///< to the memory of a unit apart, and back
  from_unit
};
inline constexpr std::size_t kQueueCount = 10;
/// Batches that a step may have beside each other.
inline constexpr int kMostBatches = 255;

/// A point that tasks of later layers can wait for.
enum class Marker : std::uint8_t {
  none,
  layer_output,  ///< a layer's last task
  routed,        ///< its gate has chosen the experts
  deferred       ///< the results that a later layer adds have come back
};
inline constexpr std::size_t kMarkerCount = 4;

struct Task {
  Operator op{};
  Work work{};
  std::uint8_t unit = 0;  ///< index into MachineView::units; of a collective or transfer: the unit that drives it
  Queue queue = Queue::device;
  std::uint8_t batch = 0;      ///< of the step's batches
  bool communication = false;  ///< collective or transfer
  FewOf<Demand, 4> demands;
  FewOf<std::uint16_t, 4> after;  ///< tasks of the same layer, by position in the layer
  Marker sets = Marker::none;     ///< the marker that this task's end sets for its layer
  struct Wait {
    Marker marker = Marker::none;
    std::uint8_t layers_back = 0;  ///< of `routed` and `deferred`: counted in layers that have the marker
    bool all_batches = false;      ///< else of the task's own batch
  };
  FewOf<Wait, 2> waits;  ///< markers of earlier layers (missing ones, before the first layer, are already met)
};

/// The tasks of one layer kind (or of the input or output part), in an order in which every task follows those it waits
/// for.
struct LayerGraph {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  double executions = 0;  ///< layers of this kind in the step
  bool serial = true;     ///< one chain: every task waits for the one before it
  bool closed = true;     ///< starts when the layer before has ended, ends when all its tasks have
  /// Tasks at these positions are those of the batch before them, `stride` before, for the next batch: they wait for
  /// the same of their own batch, and for what comes before the second batch.
  std::uint32_t copies_begin = 0, copies_end = 0;
  std::uint32_t stride = 0;
  bool is_copy(std::uint32_t position) const { return copies_begin <= position && position < copies_end; }
};

struct StepGraph {
  std::vector<Task> tasks;
  std::vector<LayerGraph> layers;                   ///< input part, one per layer kind, output part
  const std::vector<LayerBlock>* blocks = nullptr;  ///< order of the layer kinds between input and output part
  double sequences = 0;                             ///< of this rank
  double tokens = 0;
  bool only_decodes = false;  ///< one new token for each of them
  int batches = 1;            ///< beside each other
  bool serial = true;         ///< every layer is one chain and waits only for the layer before it
  bool closed = true;         ///< every layer is closed

  std::span<const Task> tasks_of(const LayerGraph& layer) const {
    return std::span(tasks).subspan(layer.first, layer.count);
  }
  void clear();
};

/// Sum over the step of one class of work, per rank.
Work total_work(const StepGraph& graph);

/// Graphviz text of one layer's tasks and dependencies (through Boost.Graph).
std::string to_dot(const StepGraph& graph, const LayerGraph& layer);

template <class T, std::size_t N>
void FewOf<T, N>::push_back(const T& value) {
  if (size_ == N) {
    detail::assertion_failed("FewOf has room", __FILE__, __LINE__);
  }
  items_[size_++] = value;
}

}  // namespace moesaic
