#include "calibrate/gpu_transfers.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// Makes a device current for as long as it lives; then device 0 again.
class OnDevice {
 public:
  OnDevice(cuda::Runtime& runtime, int device) : runtime_(runtime) {
    cuda::check(runtime.set_device(device), "choosing a GPU");
  }
  ~OnDevice() { runtime_.set_device(0); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  cuda::Runtime& runtime_;
};

/// Waits for a stream before what it uses is freed.
class Drain {
 public:
  Drain(cuda::Runtime& runtime, cuda::StreamHandle stream) : runtime_(runtime), stream_(stream) {}
  ~Drain() { runtime_.synchronize(stream_); }
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

 private:
  cuda::Runtime& runtime_;
  cuda::StreamHandle stream_;
};

/// One direction of a copy between host and device.
struct CopyEnds {
  void* to = nullptr;
  const void* from = nullptr;
  cuda::CopyKind kind = cuda::CopyKind::host_to_device;
};
CopyEnds ends(CopyDirection direction, void* host, void* device) {
  return direction == CopyDirection::to_host ? CopyEnds{host, device, cuda::CopyKind::device_to_host}
                                             : CopyEnds{device, host, cuda::CopyKind::host_to_device};
}

void enqueue_copy(cuda::Runtime& runtime, const CopyEnds& copy, Bytes bytes, cuda::StreamHandle stream) {
  cuda::check(runtime.copy(copy.to, copy.from, static_cast<std::size_t>(bytes.value), copy.kind, stream),
              "copying between host and device");
}

Timing time_both_ways(const GpuBench& bench, Bytes bytes, const cuda::Patience& patience) {
  cuda::Runtime& runtime = bench.runtime;
  const cuda::Owned host_in = cuda::allocate_pinned(runtime, bytes), host_out = cuda::allocate_pinned(runtime, bytes);
  const cuda::Owned in = cuda::allocate(runtime, bytes), out = cuda::allocate(runtime, bytes);
  const cuda::Owned second = cuda::create_stream(runtime);
  const cuda::Owned begun = cuda::create_event(runtime), ended = cuda::create_event(runtime);
  const Drain drain(runtime, second.get()), drain_first(runtime, bench.stream);
  const auto enqueue = [&](int) {
    cuda::check(runtime.record(begun.get(), bench.stream), "recording an event");
    cuda::check(runtime.wait(second.get(), begun.get()), "waiting for an event");
    enqueue_copy(runtime, ends(CopyDirection::to_device, host_in.get(), in.get()), bytes, bench.stream);
    enqueue_copy(runtime, ends(CopyDirection::to_host, host_out.get(), out.get()), bytes, second.get());
    cuda::check(runtime.record(ended.get(), second.get()), "recording an event");
    cuda::check(runtime.wait(bench.stream, ended.get()), "waiting for an event");
  };
  return cuda::time_on_stream(runtime, bench.stream, {enqueue, 1, false}, patience);
}

/// The buffers and streams of every rank of a collective.
class Ranks {
 public:
  Ranks(const GpuBench& bench, int count, Bytes bytes) : runtime_(bench.runtime) {
    for (int rank = 0; rank < count; ++rank) {
      const OnDevice device(runtime_, rank);
      for (std::vector<void*>* list : {&send, &receive}) {
        buffers_.push_back(cuda::allocate(runtime_, bytes));
        list->push_back(buffers_.back().get());
      }
      if (rank > 0) {
        streams_.push_back(cuda::create_stream(runtime_));
      }
      streams.push_back(rank > 0 ? streams_.back().get() : bench.stream);
      cuda::check(runtime_.set(send.back(), 0, static_cast<std::size_t>(bytes.value), streams.back()),
                  "clearing a buffer");
    }
  }
  ~Ranks() {
    for (const cuda::StreamHandle stream : streams) {
      runtime_.synchronize(stream);
    }
  }
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  std::vector<void*> send, receive;
  std::vector<cuda::StreamHandle> streams;

 private:
  cuda::Runtime& runtime_;
  std::vector<cuda::Owned> buffers_, streams_;
};

cuda::CollectiveOp collective_op(const std::string& kernel) {
  return kernel == "all_reduce"       ? cuda::CollectiveOp::all_reduce
         : kernel == "all_gather"     ? cuda::CollectiveOp::all_gather
         : kernel == "reduce_scatter" ? cuda::CollectiveOp::reduce_scatter
         : kernel == "all_to_all"     ? cuda::CollectiveOp::all_to_all
                                      : cuda::CollectiveOp::send_receive;
}

}  // namespace

Timing time_copy(const GpuBench& bench, const GpuCopyPoint& point, const cuda::Patience& patience) {
  if (point.direction == CopyDirection::both) {
    return time_both_ways(bench, point.bytes, patience);
  }
  cuda::Runtime& runtime = bench.runtime;
  std::vector<char> pageable(point.pinned ? 0 : static_cast<std::size_t>(point.bytes.value), '\1');
  const cuda::Owned pinned = point.pinned ? cuda::allocate_pinned(runtime, point.bytes) : cuda::Owned();
  const cuda::Owned device = cuda::allocate(runtime, point.bytes);
  const Drain drain(runtime, bench.stream);
  const CopyEnds copy = ends(point.direction, point.pinned ? pinned.get() : pageable.data(), device.get());
  const auto enqueue = [&](int) { enqueue_copy(runtime, copy, point.bytes, bench.stream); };
  return cuda::time_on_stream(runtime, bench.stream, {enqueue, 1, false}, patience);
}

Timing time_peer_copy(const GpuBench& bench, const GpuPeerPoint& point, const cuda::Patience& patience) {
  cuda::Runtime& runtime = bench.runtime;
  // Without peer access the driver copies through the host: slower, but a copy still.
  if (const cuda::Status status = runtime.enable_peer(0, 1);
      !status.ok() && cuda::failure_of(status.code) != cuda::Failure::unsupported) {
    cuda::check(status, "letting one GPU read another's memory");
  }
  const cuda::Owned from = cuda::allocate(runtime, point.bytes);
  cuda::Owned to;
  {
    const OnDevice other(runtime, 1);
    to = cuda::allocate(runtime, point.bytes);
  }
  const Drain drain(runtime, bench.stream);
  const auto enqueue = [&](int) {
    cuda::check(
        runtime.copy_peer(to.get(), 1, from.get(), 0, static_cast<std::size_t>(point.bytes.value), bench.stream),
        "copying from GPU to GPU");
  };
  return cuda::time_on_stream(runtime, bench.stream, {enqueue, 1, false}, patience);
}

Timing time_collective(const GpuBench& bench, const GpuKernelPoint& point, void* communicator,
                       const cuda::Patience& patience) {
  const Bytes bytes{point.shape[0]};
  const Ranks ranks(bench, ranks_of(point), bytes);
  const auto enqueue = [&](int) {
    cuda::check(bench.runtime.collective(communicator, collective_op(point.kernel), ranks.send, ranks.receive,
                                         static_cast<std::size_t>(bytes.value), ranks.streams),
                "a collective");
  };
  // From graphs: launching on all GPUs one after the other takes the host longer than a small collective.
  return cuda::time_on_stream(bench.runtime, bench.stream,
                              {enqueue, 1, true, {ranks.streams.begin() + 1, ranks.streams.end()}}, patience);
}

int ranks_of(const GpuKernelPoint& point) { return static_cast<int>(std::llround(point.shape[1])); }

std::optional<GpuOverlap> measure_overlap(const GpuBench& bench, CopyDirection direction,
                                          const cuda::Patience& patience) {
  // Weights of a layer stream in while a product of a prompt's tokens runs.
  constexpr double kProductSize = 4096, kProductRows = 2048;
  constexpr Bytes kCopy{16 * 1024 * 1024};
  cuda::Runtime& runtime = bench.runtime;
  const bool modern = bench.device.major >= 8;
  const PreparedWorks product = prepare(
      bench, {Family::gemm, modern ? "bf16" : "fp16", "", "cublaslt", {kProductSize, kProductSize, kProductRows}});
  const cuda::Owned host = cuda::allocate_pinned(runtime, kCopy), device = cuda::allocate(runtime, kCopy);
  const cuda::Owned second = cuda::create_stream(runtime);
  const Drain drain(runtime, second.get()), drain_first(runtime, bench.stream);
  const CopyEnds copy = ends(direction, host.get(), device.get());
  const auto multiply = [&](int) { cuda::check(runtime.launch(product.chains[0][0], bench.stream), "a product"); };
  const auto move = [&](int) { enqueue_copy(runtime, copy, kCopy, second.get()); };

  cuda::Patience few = patience;
  few.rule.most_samples = 30;  // the other stream's work piles up with every sample
  few.rule.warm_up = {};
  const Timing product_alone = cuda::time_on_stream(runtime, bench.stream, {multiply, 1, false}, few);
  const Timing copy_alone = cuda::time_on_stream(runtime, second.get(), {move, 1, false}, few);
  // Beside each call of the one, enough of the other that it never ends first.
  const auto enough = [](const Timing& one, const Timing& other) {
    return static_cast<int>(std::clamp(std::ceil(2 * one.median / std::max(other.median, Seconds{1e-6})), 1.0, 64.0));
  };
  const int copies = enough(product_alone, copy_alone), products = enough(copy_alone, product_alone);
  const auto product_beside = [&](int) {
    for (int i = 0; i < copies; ++i) {
      move(i);
    }
    multiply(0);
  };
  const auto copy_beside = [&](int) {
    for (int i = 0; i < products; ++i) {
      multiply(i);
    }
    move(0);
  };
  const Timing product_with = cuda::time_on_stream(runtime, bench.stream, {product_beside, 1, false}, few);
  cuda::check(runtime.synchronize(second.get()), "waiting for copies");
  const Timing copy_with = cuda::time_on_stream(runtime, second.get(), {copy_beside, 1, false}, few);
  for (const Timing* timing : {&product_alone, &copy_alone, &product_with, &copy_with}) {
    if (timing->samples == 0 || timing->median.value <= 0) {
      return std::nullopt;
    }
  }
  return GpuOverlap{direction, product_with.median / product_alone.median, copy_with.median / copy_alone.median};
}

}  // namespace moesaic
