#include "kernels/cuda/device.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic::cuda {
namespace {

constexpr Seconds kLongestReplayed{200e-6};  // above, a launch is a few percent at most, and hidden
constexpr Seconds kLongestLead{5e-3};
constexpr Seconds kGraph{300e-6};  // of all calls in one graph
constexpr int kMostInGraph = 512;

/// Times on the first of some streams, between two events; waits for all of them.
class Interval {
 public:
  Interval(Runtime& runtime, std::span<const StreamHandle> streams)
      : runtime_(runtime), streams_(streams), begin_(create_event(runtime)), end_(create_event(runtime)) {}

  template <class Lead, class Body>
  Seconds of(const Lead& lead, const Body& body) {
    lead();
    check(runtime_.record(begin_.get(), streams_[0]), "recording an event");
    body();
    check(runtime_.record(end_.get(), streams_[0]), "recording an event");
    for (const StreamHandle stream : streams_) {
      check(runtime_.synchronize(stream), "waiting for a kernel");
    }
    Seconds time{};
    check(runtime_.elapsed(time, begin_.get(), end_.get()), "reading an event");
    if (!std::isfinite(time.value) || time.value < 0) {
      throw Error(Failure::launch_failed, "reading an event", "it says " + std::to_string(time.value) + " s");
    }
    return time;
  }

 private:
  Runtime& runtime_;
  std::span<const StreamHandle> streams_;
  Owned begin_, end_;
};

}  // namespace

Failure failure_of(int code) {
  switch (code) {
    case 2:  // cudaErrorMemoryAllocation
      return Failure::out_of_memory;
    case 3:    // cudaErrorInitializationError
    case 35:   // cudaErrorInsufficientDriver
    case 46:   // cudaErrorDevicesUnavailable
    case 100:  // cudaErrorNoDevice
    case 101:  // cudaErrorInvalidDevice
    case 98:   // cudaErrorInvalidDeviceFunction
    case 209:  // cudaErrorNoKernelImageForDevice
    case 222:  // cudaErrorUnsupportedPtxVersion
    case 802:  // cudaErrorSystemNotReady
    case 803:  // cudaErrorSystemDriverMismatch
    case 804:  // cudaErrorCompatNotSupportedOnDevice
      return Failure::no_device;
    case 217:  // cudaErrorPeerAccessUnsupported
    case 801:  // cudaErrorNotSupported
      return Failure::unsupported;
    case 4:    // cudaErrorCudartUnloading
    case 214:  // cudaErrorECCUncorrectable
    case 220:  // cudaErrorNvlinkUncorrectable
    case 700:  // cudaErrorIllegalAddress
    case 702:  // cudaErrorLaunchTimeout
    case 710:  // cudaErrorAssert
    case 714:  // cudaErrorHardwareStackError
    case 715:  // cudaErrorIllegalInstruction
    case 716:  // cudaErrorMisalignedAddress
    case 717:  // cudaErrorInvalidAddressSpace
    case 718:  // cudaErrorInvalidPc
    case 719:  // cudaErrorLaunchFailure
    case 721:  // cudaErrorContained
    case 999:  // cudaErrorUnknown
      return Failure::device_lost;
    default:
      return Failure::launch_failed;
  }
}

void check(const Status& status, std::string_view doing) {
  if (!status.ok()) {
    throw Error(failure_of(status.code), std::string(doing),
                printable(status.text) + " (CUDA error " + std::to_string(status.code) + ")");
  }
}

Owned& Owned::operator=(Owned&& other) noexcept {
  if (this != &other) {
    reset();
    runtime_ = other.runtime_;
    handle_ = std::exchange(other.handle_, nullptr);
    release_ = other.release_;
  }
  return *this;
}

void Owned::reset() {
  if (handle_ != nullptr) {
    (runtime_->*release_)(std::exchange(handle_, nullptr));
  }
}

Owned allocate(Runtime& runtime, Bytes bytes) {
  void* pointer = nullptr;
  check(runtime.allocate(&pointer, static_cast<std::size_t>(bytes.value)), "allocating memory of the device");
  return {runtime, pointer, &Runtime::free};
}

Owned allocate_pinned(Runtime& runtime, Bytes bytes) {
  void* pointer = nullptr;
  check(runtime.allocate_pinned(&pointer, static_cast<std::size_t>(bytes.value)), "allocating pinned memory");
  return {runtime, pointer, &Runtime::free_pinned};
}

Owned create_stream(Runtime& runtime) {
  StreamHandle stream = nullptr;
  check(runtime.create_stream(stream), "creating a stream");
  return {runtime, stream, &Runtime::destroy_stream};
}

Owned create_event(Runtime& runtime) {
  EventHandle event = nullptr;
  check(runtime.create_event(event), "creating an event");
  return {runtime, event, &Runtime::destroy_event};
}

Owned create_communicator(Runtime& runtime, int ranks) {
  void* communicator = nullptr;
  check(runtime.create_communicator(communicator, ranks), "creating a communicator");
  return {runtime, communicator, &Runtime::destroy_communicator};
}

std::vector<Owned> capture(Runtime& runtime, std::span<const StreamHandle> streams,
                           const std::function<void()>& enqueue) {
  std::size_t begun = 0;
  std::vector<Owned> graphs;
  const auto end = [&] {  // all of them, also behind one that fails: a stream that captures can do nothing else
    Status first;
    for (const StreamHandle stream : streams.first(begun)) {
      GraphHandle graph = nullptr;
      if (Status status = runtime.end_capture(stream, graph); status.ok()) {
        graphs.emplace_back(runtime, graph, &Runtime::destroy_graph);
      } else if (first.ok()) {
        first = std::move(status);
      }
    }
    return first;
  };
  try {
    for (const StreamHandle stream : streams) {
      check(runtime.begin_capture(stream), "beginning a graph");
      ++begun;
    }
    enqueue();
  } catch (...) {
    end();
    throw;
  }
  check(end(), "ending a graph");
  return graphs;
}

Timing time_on_stream(Runtime& runtime, StreamHandle stream, const Repeated& calls, const Patience& patience) {
  const auto raised = [&] { return patience.stop != nullptr && patience.stop->load(std::memory_order_relaxed); };
  std::vector<StreamHandle> streams{stream};
  streams.insert(streams.end(), calls.others.begin(), calls.others.end());
  Interval interval(runtime, streams);
  int next = 0;
  const auto enqueue = [&](int count) {
    for (int i = 0; i < count; ++i) {
      calls.enqueue(next);
      next = (next + 1) % calls.turns;
    }
  };
  const auto nothing = [] {};
  if (raised()) {
    return {.caches = patience.rule.caches};
  }
  interval.of(nothing, [&] { enqueue(1); });
  const Seconds once = interval.of(nothing, [&] { enqueue(1); });
  if (!calls.replay || once > kLongestReplayed) {
    const Sampler direct = [&](int count) {
      const auto lead = [&] { enqueue(once < kLongestLead ? 1 : 0); };
      return interval.of(lead, [&] { enqueue(count); });
    };
    return time_samples(direct, patience.rule, patience.clock, patience.stop);
  }
  // A whole number of turns: else every replay would find the data of the last one in the caches.
  // Each further stream has a graph of its own, which takes as long to launch.
  const double wanted = kGraph.value * static_cast<double>(streams.size());
  const int turns = static_cast<int>(std::ceil(wanted / std::max(once.value, 1e-7) / calls.turns));
  const int in_graph = calls.turns * std::clamp(turns, 1, std::max(1, kMostInGraph / calls.turns));
  next = 0;
  const std::vector<Owned> graphs = capture(runtime, streams, [&] { enqueue(in_graph); });
  const auto launch = [&] {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      check(runtime.launch_graph(graphs[i].get(), streams[i]), "launching a graph");
    }
  };
  const Sampler replayed = [&](int launches) {
    const Seconds all = interval.of(launch, [&] {
      for (int i = 0; i < launches; ++i) {
        launch();
      }
    });
    return all / in_graph;
  };
  // A graph is the shortest sample there is.
  TimingRule rule = patience.rule;
  rule.shortest_sample = {};
  Timing timing = time_samples(replayed, rule, patience.clock, patience.stop);
  timing.calls_per_sample *= in_graph;
  return timing;
}

Timing time_chains(Runtime& runtime, StreamHandle stream, std::span<const Chain> chains, const Patience& patience) {
  const auto enqueue = [&](int i) {
    for (const Work& work : chains[static_cast<std::size_t>(i)]) {
      if (const Status status = runtime.launch(work, stream); !status.ok()) {
        check(status, describe(work));
      }
    }
  };
  return time_on_stream(runtime, stream, {enqueue, static_cast<int>(chains.size())}, patience);
}

}  // namespace moesaic::cuda
