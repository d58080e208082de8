#include "model/layer_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {

double cache_passes(const Operator& op, const UnitView& unit) {
  const auto* scores = std::get_if<SoftmaxScores>(&op.shape);
  if (scores == nullptr || unit.queries_per_read == 0 || op.kind != OperatorKind::attention_decode) {
    return 1;
  }
  return std::ceil(scores->new_tokens * scores->heads / scores->kv_heads / unit.queries_per_read);
}

Operator in_passes(const Operator& op, double passes) {
  Operator result = op;
  std::get<SoftmaxScores>(result.shape).passes = passes;
  return result;
}

int LayerWriter::run(const Operator& op, const Work& given, std::size_t unit, Queue queue) {
  const UnitView& on = view_.units[unit];
  Task& task = graph_.tasks.emplace_back();
  const double passes = cache_passes(op, on);
  task.op = passes > 1 ? in_passes(op, passes) : op;
  const Work work = passes > 1 ? moesaic::work(task.op) : given;
  task.work = work;
  task.unit = static_cast<std::uint8_t>(unit);
  task.queue = queue;
  task.batch = static_cast<std::uint8_t>(batch_);
  task.demands.push_back(
      {on.arithmetic, work.flops.value * on.seconds_per_flop[static_cast<std::size_t>(work.arithmetic)]});
  task.demands.push_back({on.memory, work.memory().value});
  const int index = static_cast<int>(graph_.tasks.size() - 1 - first_);
  join_chain(index);
  return index;
}

int LayerWriter::communicate(const Operator& op, const Work& work) {
  Task& task = graph_.tasks.emplace_back();
  task.op = op;
  task.work = work;
  task.communication = true;
  task.queue = Queue::network;
  task.batch = static_cast<std::uint8_t>(batch_);
  if (view_.scale_up) {
    task.demands.push_back({*view_.scale_up, work.wire.value});
  }
  if (view_.network && work.network.value > 0) {
    task.demands.push_back({*view_.network, work.network.value});
  }
  const int index = static_cast<int>(graph_.tasks.size() - 1 - first_);
  join_chain(index);
  return index;
}

/// `index` waits for all chunks: for the last task of each queue, behind which the queue's others were.
void LayerWriter::join_chunks(int index) {
  std::array<int, kQueueCount> last;
  last.fill(-1);
  for (const int end : chunks_) {
    int& of_queue = last[static_cast<std::size_t>(task(end).queue)];
    of_queue = std::max(of_queue, end);
  }
  for (const int end : last) {
    wait(index, end);
  }
  chunks_.clear();
}

void LayerWriter::join_chain(int index) {
  if (const std::size_t chunk = task(index).op.chunk; chunk > 0) {
    chunks_.resize(std::max(chunks_.size(), chunk), last_);
    MOESAIC_ASSERT(last_ >= 0);
    wait(index, chunks_[chunk - 1]);
    chunks_[chunk - 1] = index;
    return;
  }
  if (!chunks_.empty()) {
    join_chunks(index);
  } else if (last_ >= 0) {
    task(index).after.push_back(static_cast<std::uint16_t>(last_));
  } else {
    task(index).waits.push_back({Marker::layer_output, 1});
  }
  const Beside beside = task(index).op.beside;
  if (beside == Beside::starts && beside_.size() < kMostBeside) {
    beside_.push_back(index);
    return;
  }
  if (beside == Beside::joins) {
    for (const int before : beside_) {
      wait(index, before);
    }
    beside_.clear();
  }
  last_ = index;
}

int LayerWriter::hand_over(const Operator& op, Bytes bytes, std::size_t unit, bool to_unit) {
  const UnitView& other = view_.units[unit];
  MOESAIC_ASSERT(other.apart);
  Task& task = graph_.tasks.emplace_back();
  task.op = op;
  task.work.wire = bytes;
  task.unit = static_cast<std::uint8_t>(unit);
  task.communication = true;
  task.queue = to_unit ? Queue::to_unit : Queue::from_unit;
  task.batch = static_cast<std::uint8_t>(batch_);
  task.demands.push_back({to_unit ? other.link_out : other.link_in, bytes.value});
  const int index = static_cast<int>(graph_.tasks.size() - 1 - first_);
  join_chain(index);
  return index;
}

int LayerWriter::copy(const Operator& op, Bytes bytes, bool to_device, CopyPath path) {
  MOESAIC_ASSERT(view_.host_memory && view_.host_to_device && view_.device_to_host);
  constexpr double kTimesStaged = 3;  // read, written to the pinned buffer, read by the copy engine
  Task& task = graph_.tasks.emplace_back();
  task.op = op;
  std::get<Transfer>(task.op.shape).pageable = path.pageable;
  task.work.wire = bytes;
  task.communication = true;
  task.queue = path.in_turn ? Queue::device : to_device ? Queue::to_device : Queue::to_host;
  task.batch = static_cast<std::uint8_t>(batch_);
  task.demands.push_back({to_device ? *view_.host_to_device : *view_.device_to_host, bytes.value});
  task.demands.push_back({*view_.host_memory, bytes.value * (path.staged ? kTimesStaged : 1)});
  return static_cast<int>(graph_.tasks.size() - 1 - first_);
}

int LayerWriter::prefetch(const Operator& op, Bytes bytes, int layers, CopyPath path) {
  const int index = copy(op, bytes, true, path);
  task(index).queue = path.in_turn ? Queue::device : Queue::prefetch;
  task(index).waits.push_back({Marker::layer_output, static_cast<std::uint8_t>(layers), true});
  return index;
}

int LayerWriter::read_storage(const Operator& op, Bytes bytes, int layers) {
  const int index = write_storage(op, bytes);
  task(index).waits.push_back({Marker::layer_output, static_cast<std::uint8_t>(layers), true});
  return index;
}

int LayerWriter::write_storage(const Operator& op, Bytes bytes) {
  MOESAIC_ASSERT(view_.host_memory && view_.storage);
  Task& task = graph_.tasks.emplace_back();
  task.op = op;
  task.work.wire = bytes;
  task.communication = true;
  task.queue = Queue::storage;
  task.demands.push_back({*view_.storage, bytes.value});
  task.demands.push_back({*view_.host_memory, bytes.value});
  return static_cast<int>(graph_.tasks.size() - 1 - first_);
}

void LayerWriter::wait_for(int index, Marker marker, int layers_back) {
  task(index).waits.push_back({marker, static_cast<std::uint8_t>(layers_back), false});
}

void LayerWriter::wait(int task_index, int before) {
  if (before >= 0) {
    task(task_index).after.push_back(static_cast<std::uint16_t>(before));
  }
}

void LayerWriter::begin_layer(double executions) {
  first_ = graph_.tasks.size();
  last_ = -1;
  beside_.clear();
  chunks_.clear();
  batch_ = 0;
  batch_first_ = 0;
  notes_ = {};
  LayerGraph& layer = graph_.layers.emplace_back();
  layer.first = static_cast<std::uint32_t>(first_);
  layer.executions = executions;
}

void LayerWriter::begin_next_batch() {
  MOESAIC_ASSERT(batch_ + 1 < kMostBatches);
  end_batch();
  last_ = -1;
  ++batch_;
  batch_first_ = size();
  notes_.beside = notes_.attention_from = -1;
  notes_.attends = false;
  notes_.returning = {};
  notes_.deferring = false;
  notes_.new_cache = {};
  notes_.divided.clear();
  notes_.held.clear();
  notes_.begun.clear();
  notes_.attended.clear();
  notes_.stream = Bytes{};
  graph_.batches = std::max(graph_.batches, batch_ + 1);
}

void LayerWriter::copy_batch() {
  MOESAIC_ASSERT(batch_ > 0);
  const std::size_t from = batch_first_, end = size(), stride = end - from;
  const int last = last_;
  begin_next_batch();
  LayerGraph& layer = graph_.layers.back();
  if (layer.copies_end == 0) {
    layer.copies_begin = static_cast<std::uint32_t>(end);
    layer.stride = static_cast<std::uint32_t>(stride);
  }
  layer.copies_end = static_cast<std::uint32_t>(end + stride);
  for (std::size_t i = from; i < end; ++i) {
    Task& task = graph_.tasks.emplace_back(graph_.tasks[first_ + i]);
    // What all batches share, such as storage, is the first one's.
    task.batch = task.batch == 0 ? task.batch : static_cast<std::uint8_t>(batch_);
    for (std::uint16_t& before : task.after) {
      before = static_cast<std::uint16_t>(before < from ? before : before + stride);
    }
  }
  last_ = last < 0 ? last : last + static_cast<int>(stride);
}

/// Chunks end with the last of them: it is the last on its queue, and the other queues' tasks came before it.
void LayerWriter::end_batch() {
  MOESAIC_ASSERT(beside_.empty());
  if (!chunks_.empty()) {
    last_ = *std::max_element(chunks_.begin(), chunks_.end());
    chunks_.clear();
  }
  if (last_ >= 0) {
    task(last_).sets = Marker::layer_output;
  }
}

void LayerWriter::end_layer() {
  end_batch();
  LayerGraph& layer = graph_.layers.back();
  layer.count = static_cast<std::uint32_t>(graph_.tasks.size() - first_);
  // Closed: the first task is the only one without another before it, the last the only one without one behind, on its
  // queue or waiting for it.
  const auto batches = static_cast<std::size_t>(batch_) + 1;
  std::array<int, kQueueCount * kMostBatches> last_of_queue;
  std::fill_n(last_of_queue.begin(), kQueueCount * batches, -1);
  ends_.assign(layer.count, true);
  for (std::uint32_t i = 0; i < layer.count; ++i) {
    const Task& current = task(static_cast<int>(i));
    for (const std::uint16_t before : current.after) {
      ends_[before] = false;
    }
    int& before_on_queue = last_of_queue[static_cast<std::size_t>(current.queue) * batches + current.batch];
    if (before_on_queue >= 0) {
      ends_[static_cast<std::size_t>(before_on_queue)] = false;
    }
    before_on_queue = static_cast<int>(i);
    const bool enters = i == 0 ? current.after.size() == 0 && current.waits.size() == 1
                               : current.after.size() > 0 && current.waits.size() == 0;
    layer.closed = layer.closed && enters;
    layer.serial = layer.serial && enters && (i == 0 || (current.after.size() == 1 && current.after[0] == i - 1));
  }
  const bool last_ends = layer.count == 0 || last_ == static_cast<int>(layer.count) - 1;
  layer.serial = layer.serial && last_ends;
  layer.closed = layer.closed && last_ends && std::count(ends_.begin(), ends_.end(), true) <= 1;
  graph_.serial = graph_.serial && layer.serial;
  graph_.closed = graph_.closed && layer.closed;
}

}  // namespace moesaic
