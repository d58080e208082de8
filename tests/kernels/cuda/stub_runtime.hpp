// A GPU that is not there. Time is made up: a work takes its floor at the stub's roofs and a latency; streams run
// beside each other and behind the host. Any call can fail, and everything that is not released is counted.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/device.hpp"

namespace moesaic::cuda {

/// What the stub's GPU can do.
struct StubRoofs {
  BytesPerSecond memory{2e12};
  BytesPerSecond host_link{25e9}, peer_link{200e9};
  FlopsPerSecond tensor{400e12}, tensor_8bit{800e12}, fp32{25e12};
  Seconds kernel_latency{1.5e-6};  ///< of every kernel, also inside a graph
  Seconds copy_latency{4e-6};
  Seconds host_call{3e-6};  ///< what one launch costs the host; a collective, one for every rank
  Seconds load{600e-9};     ///< one dependent load
};

class StubRuntime final : public Runtime {
 public:
  StubRoofs roofs;
  DeviceProperties device{.name = "NVIDIA Stub 9000",
                          .major = 9,
                          .minor = 0,
                          .multiprocessors = 100,
                          .memory = {64e9},
                          .l2 = {8e6},
                          .shared_memory_per_block = {200e3},
                          .core_clock = {1.5e9},
                          .memory_clock = {2e9},
                          .memory_bus_bits = 4096,
                          .pci = "0000:01:00.0"};
  int devices = 1;
  bool has_nccl = true;
  /// Called before each call with its number, from 1, and its name; what it returns is the call's error.
  std::function<Status(std::uint64_t number, const char* name)> fail;
  /// What launching this work says.
  std::function<Status(const Work&)> refuse;
  /// Replaces what an event says.
  std::function<Seconds(Seconds)> event_time;
  /// What the device can hold at once.
  double most_allocated = 64e9;

  std::uint64_t calls = 0;
  std::map<std::string, std::uint64_t> calls_of;
  std::uint64_t launches = 0;

  std::size_t alive() const { return buffers_.size() + pinned_.size() + handles_.size(); }
  Seconds now() const { return host_; }
  Clock clock() {
    return [this] { return host_ += Seconds{1e-7}; };
  }

  Status device_count(int& count) override {
    count = devices;
    return called("device_count");
  }
  Status properties(int, DeviceProperties& result) override {
    result = device;
    return called("properties");
  }
  Status set_device(int) override { return called("set_device"); }
  Sensors sensors(int) override { return {true, {1.4e9}, 55, {400}}; }

  Status allocate(void** pointer, std::size_t bytes) override {
    const Status status = called("allocate");
    if (!status.ok()) {
      return status;
    }
    if (allocated_ + static_cast<double>(bytes) > most_allocated) {
      return {2, "out of memory"};
    }
    *pointer = fresh();
    buffers_[*pointer] = bytes;
    allocated_ += static_cast<double>(bytes);
    host_ += Seconds{100e-6};
    return {};
  }
  Status free(void* pointer) override {
    const auto found = buffers_.find(pointer);
    if (found == buffers_.end()) {
      return {1, "invalid argument"};
    }
    allocated_ -= static_cast<double>(found->second);
    buffers_.erase(found);
    host_ += Seconds{100e-6};
    return called("free");
  }
  Status allocate_pinned(void** pointer, std::size_t) override {
    const Status status = called("allocate_pinned");
    if (status.ok()) {
      *pointer = fresh();
      pinned_.insert(*pointer);
    }
    return status;
  }
  Status free_pinned(void* pointer) override {
    pinned_.erase(pointer);
    return called("free_pinned");
  }
  Status copy(void*, const void*, std::size_t bytes, CopyKind kind, StreamHandle stream) override {
    const double size = static_cast<double>(bytes);
    const Seconds time = kind == CopyKind::device_to_device ? Seconds{2 * size / roofs.memory.value}
                                                            : Seconds{size / roofs.host_link.value};
    return work("copy", time + roofs.copy_latency, stream);
  }
  Status enable_peer(int, int) override { return called("enable_peer"); }
  Status copy_peer(void*, int, const void*, int, std::size_t bytes, StreamHandle stream) override {
    return work("copy_peer", roofs.copy_latency + Seconds{static_cast<double>(bytes) / roofs.peer_link.value}, stream);
  }
  Status set(void*, int, std::size_t bytes, StreamHandle stream) override {
    return work("set", Seconds{static_cast<double>(bytes) / roofs.memory.value}, stream);
  }

  Status create_stream(StreamHandle& stream) override { return create("create_stream", stream); }
  Status destroy_stream(StreamHandle stream) override { return destroy("destroy_stream", stream); }
  Status synchronize(StreamHandle stream) override {
    const Status status = called("synchronize");
    host_ = std::max(host_, streams_[stream]);
    return status;
  }
  Status create_event(EventHandle& event) override { return create("create_event", event); }
  Status destroy_event(EventHandle event) override { return destroy("destroy_event", event); }
  Status record(EventHandle event, StreamHandle stream) override {
    const Status status = called("record");
    streams_[stream] = std::max(streams_[stream], host_);
    events_[event] = streams_[stream];
    return status;
  }
  Status wait(StreamHandle stream, EventHandle event) override {
    const Status status = called("wait");
    streams_[stream] = std::max(streams_[stream], events_[event]);
    return status;
  }
  Status elapsed(Seconds& time, EventHandle begin, EventHandle end) override {
    const Status status = called("elapsed");
    time = events_[end] - events_[begin];
    if (event_time) {
      time = event_time(time);
    }
    return status;
  }

  Status begin_capture(StreamHandle stream) override {
    const Status status = called("begin_capture");
    if (status.ok()) {
      capturing_[stream] = {};
    }
    return status;
  }
  Status end_capture(StreamHandle stream, GraphHandle& graph) override {
    const Seconds captured = capturing_[stream];
    capturing_.erase(stream);
    const Status status = create("end_capture", graph);
    if (status.ok()) {
      graphs_[graph] = captured;
    }
    return status;
  }
  Status launch_graph(GraphHandle graph, StreamHandle stream) override {
    return work("launch_graph", graphs_[graph], stream);
  }
  Status destroy_graph(GraphHandle graph) override { return destroy("destroy_graph", graph); }

  Status launch(const Work& what, StreamHandle stream) override {
    ++launches;
    if (refuse) {
      if (Status refused = refuse(what); !refused.ok()) {
        return refused;
      }
    }
    return work("launch", time_of(what), stream);
  }

  Status nccl(std::string& version) override {
    version = has_nccl ? "2.28.9" : "";
    return has_nccl ? called("nccl") : Status{801, "no NCCL"};
  }
  Status create_communicator(void*& communicator, int) override { return create("create_communicator", communicator); }
  Status destroy_communicator(void* communicator) override { return destroy("destroy_communicator", communicator); }
  Status collective(void*, CollectiveOp, const std::vector<void*>&, const std::vector<void*>&, std::size_t bytes,
                    const std::vector<StreamHandle>& streams) override {
    const Seconds time = roofs.copy_latency + Seconds{static_cast<double>(bytes) / roofs.peer_link.value};
    Status status;
    for (const StreamHandle stream : streams) {
      status = work("collective", time, stream);
      if (!status.ok()) {
        return status;
      }
    }
    return status;
  }

  /// What one work takes on this GPU.
  Seconds time_of(const Work& what) const {
    if (const auto* chase = std::get_if<ChaseWork>(&what)) {
      return roofs.kernel_latency + roofs.load * chase->steps;
    }
    const Floor least = floor(what);
    return roofs.kernel_latency + std::max(least.bytes / roofs.memory, least.flops / peak(what));
  }

 private:
  FlopsPerSecond peak(const Work& what) const {
    DType dtype = DType::bf16;
    if (const auto* gemm = std::get_if<GemmWork>(&what)) {
      dtype = gemm->dtype;
    } else if (const auto* issue = std::get_if<TensorIssueWork>(&what)) {
      dtype = issue->dtype;
    } else if (std::holds_alternative<FmaIssueWork>(what)) {
      dtype = DType::fp32;
    }
    return dtype == DType::fp32                          ? roofs.fp32
           : dtype == DType::fp8 || dtype == DType::int8 ? roofs.tensor_8bit
                                                         : roofs.tensor;
  }

  void* fresh() { return reinterpret_cast<void*>(next_ += 4096); }

  Status called(const char* name) {
    ++calls;
    ++calls_of[name];
    if (lost_.ok() && fail) {
      const Status status = fail(calls, name);
      if (!status.ok() && failure_of(status.code) == Failure::device_lost) {
        lost_ = status;  // nothing works from now on
      }
      return status;
    }
    return lost_;
  }
  Status create(const char* name, void*& handle) {
    const Status status = called(name);
    if (status.ok()) {
      handle = fresh();
      handles_.insert(handle);
    }
    return status;
  }
  Status destroy(const char* name, void* handle) {
    handles_.erase(handle);
    return called(name);
  }
  Status work(const char* name, Seconds time, StreamHandle stream) {
    const Status status = called(name);
    if (const auto captured = capturing_.find(stream); status.ok() && captured != capturing_.end()) {
      captured->second += time;
    } else if (status.ok()) {
      host_ += roofs.host_call;
      streams_[stream] = std::max(streams_[stream], host_) + time;
    }
    return status;
  }

  std::uintptr_t next_ = 1 << 20;
  double allocated_ = 0;
  std::map<void*, std::size_t> buffers_;
  std::set<void*> pinned_, handles_;
  std::map<void*, Seconds> streams_, events_, graphs_;
  std::map<void*, Seconds> capturing_;  ///< by stream: what its graph takes so far
  Seconds host_{};
  Status lost_;
};

}  // namespace moesaic::cuda
