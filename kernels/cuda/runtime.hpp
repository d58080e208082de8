// The calls of the CUDA runtime that measuring needs, one function each, behind an interface: the real one on a GPU
// machine, a stub that can fail any of them in tests. Nothing here is clever; what is built on it is in device.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/work.hpp"

namespace moesaic::cuda {

/// cudaSuccess, or the number and text of the error, as the CUDA runtime names them.
struct Status {
  int code = 0;
  std::string text;
  bool ok() const { return code == 0; }
};

struct DeviceProperties {
  std::string name;  ///< "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0;
  int multiprocessors = 0;
  Bytes memory{}, l2{}, shared_memory_per_block{};
  PerSecond core_clock{}, memory_clock{};
  int memory_bus_bits = 0;
  std::string pci;  ///< "0000:1b:00.0"
};

/// What NVML says at one moment, where it is there.
struct Sensors {
  bool known = false;
  PerSecond core_clock{};
  double celsius = 0;
  Watts power{};
};

enum class CopyKind : unsigned char { host_to_device, device_to_host, device_to_device };
enum class CollectiveOp : unsigned char { all_reduce, all_gather, reduce_scatter, all_to_all, send_receive };

using StreamHandle = void*;
using EventHandle = void*;
using GraphHandle = void*;

class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual Status device_count(int& count) = 0;
  virtual Status properties(int device, DeviceProperties& properties) = 0;
  virtual Status set_device(int device) = 0;
  virtual Sensors sensors(int device) = 0;

  virtual Status allocate(void** pointer, std::size_t bytes) = 0;
  virtual Status free(void* pointer) = 0;
  virtual Status allocate_pinned(void** pointer, std::size_t bytes) = 0;
  virtual Status free_pinned(void* pointer) = 0;
  virtual Status copy(void* to, const void* from, std::size_t bytes, CopyKind kind, StreamHandle stream) = 0;
  virtual Status enable_peer(int device, int peer) = 0;
  virtual Status copy_peer(void* to, int to_device, const void* from, int from_device, std::size_t bytes,
                           StreamHandle stream) = 0;
  virtual Status set(void* pointer, int byte, std::size_t bytes, StreamHandle stream) = 0;

  virtual Status create_stream(StreamHandle& stream) = 0;
  virtual Status destroy_stream(StreamHandle stream) = 0;
  virtual Status synchronize(StreamHandle stream) = 0;
  virtual Status create_event(EventHandle& event) = 0;
  virtual Status destroy_event(EventHandle event) = 0;
  virtual Status record(EventHandle event, StreamHandle stream) = 0;
  virtual Status wait(StreamHandle stream, EventHandle event) = 0;  ///< the stream waits for the event
  virtual Status elapsed(Seconds& time, EventHandle begin, EventHandle end) = 0;

  virtual Status begin_capture(StreamHandle stream) = 0;
  virtual Status end_capture(StreamHandle stream, GraphHandle& graph) = 0;  ///< instantiated, ready to launch
  virtual Status launch_graph(GraphHandle graph, StreamHandle stream) = 0;
  virtual Status destroy_graph(GraphHandle graph) = 0;

  virtual Status launch(const Work& work, StreamHandle stream) = 0;

  /// Whether NCCL was there when moesaic was built and can be loaded now; else why not.
  virtual Status nccl(std::string& version) = 0;
  /// One communicator over devices 0 ... ranks - 1 of this process.
  virtual Status create_communicator(void*& communicator, int ranks) = 0;
  virtual Status destroy_communicator(void* communicator) = 0;
  /// Enqueues on every rank's stream; `bytes` as nccl-tests counts them (the larger of a rank's input and output).
  virtual Status collective(void* communicator, CollectiveOp op, const std::vector<void*>& send,
                            const std::vector<void*>& receive, std::size_t bytes,
                            const std::vector<StreamHandle>& streams) = 0;
};

/// The CUDA runtime of this machine; null in a build without nvcc.
std::unique_ptr<Runtime> cuda_runtime();

}  // namespace moesaic::cuda
