#include "kernels/cuda/cuda_runtime.hpp"

#include <cuda_runtime_api.h>

#include "kernels/cuda/cuda_libraries.hpp"

namespace moesaic::cuda {
namespace {

cudaStream_t native(StreamHandle stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t native_event(EventHandle event) { return static_cast<cudaEvent_t>(event); }

class CudaRuntime final : public Runtime {
 public:
  explicit CudaRuntime(KernelLaunch kernels) : launch_(kernels) {}

  Status device_count(int& count) override { return status_of(cudaGetDeviceCount(&count)); }

  Status properties(int device, DeviceProperties& result) override {
    cudaDeviceProp raw{};
    int core_khz = 0, memory_khz = 0;
    char pci[32] = "";
    if (const cudaError_t error = cudaGetDeviceProperties(&raw, device); error != cudaSuccess) {
      return status_of(error);
    }
    // Only for planning and the sensors: a virtual GPU may hide them.
    for (const cudaError_t error : {cudaDeviceGetAttribute(&core_khz, cudaDevAttrClockRate, device),
                                    cudaDeviceGetAttribute(&memory_khz, cudaDevAttrMemoryClockRate, device),
                                    cudaDeviceGetPCIBusId(pci, sizeof pci, device)}) {
      status_of(error);
    }
    result = {.name = raw.name,
              .major = raw.major,
              .minor = raw.minor,
              .multiprocessors = raw.multiProcessorCount,
              .memory = {static_cast<double>(raw.totalGlobalMem)},
              .l2 = {static_cast<double>(raw.l2CacheSize)},
              .shared_memory_per_block = {static_cast<double>(raw.sharedMemPerBlockOptin)},
              .core_clock = {1e3 * core_khz},
              .memory_clock = {1e3 * memory_khz},
              .memory_bus_bits = raw.memoryBusWidth,
              .pci = pci};
    return {};
  }

  Status set_device(int device) override { return status_of(cudaSetDevice(device)); }

  Sensors sensors(int device) override {
    char pci[32] = "";
    return cudaDeviceGetPCIBusId(pci, sizeof pci, device) == cudaSuccess ? sensors_.read(pci) : Sensors{};
  }

  Status allocate(void** pointer, std::size_t bytes) override { return status_of(cudaMalloc(pointer, bytes)); }
  Status free(void* pointer) override { return status_of(cudaFree(pointer)); }
  Status allocate_pinned(void** pointer, std::size_t bytes) override {
    return status_of(cudaMallocHost(pointer, bytes));
  }
  Status free_pinned(void* pointer) override { return status_of(cudaFreeHost(pointer)); }

  Status copy(void* to, const void* from, std::size_t bytes, CopyKind kind, StreamHandle stream) override {
    const cudaMemcpyKind direction = kind == CopyKind::host_to_device   ? cudaMemcpyHostToDevice
                                     : kind == CopyKind::device_to_host ? cudaMemcpyDeviceToHost
                                                                        : cudaMemcpyDeviceToDevice;
    return status_of(cudaMemcpyAsync(to, from, bytes, direction, native(stream)));
  }

  Status enable_peer(int device, int peer) override {
    int possible = 0, before = 0;
    if (const cudaError_t error = cudaDeviceCanAccessPeer(&possible, device, peer); error != cudaSuccess) {
      return status_of(error);
    }
    if (possible == 0) {
      return status_of(cudaErrorPeerAccessUnsupported);
    }
    if (const cudaError_t error = cudaGetDevice(&before); error != cudaSuccess) {
      return status_of(error);
    }
    if (const cudaError_t error = cudaSetDevice(device); error != cudaSuccess) {
      return status_of(error);
    }
    Status enabled = status_of(cudaDeviceEnablePeerAccess(peer, 0));
    Status restored = status_of(cudaSetDevice(before));
    return enabled.ok() || enabled.code == cudaErrorPeerAccessAlreadyEnabled ? restored : enabled;
  }

  Status copy_peer(void* to, int to_device, const void* from, int from_device, std::size_t bytes,
                   StreamHandle stream) override {
    return status_of(cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes, native(stream)));
  }

  Status set(void* pointer, int byte, std::size_t bytes, StreamHandle stream) override {
    return status_of(cudaMemsetAsync(pointer, byte, bytes, native(stream)));
  }

  Status create_stream(StreamHandle& stream) override {
    cudaStream_t made = nullptr;
    Status status = status_of(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
    stream = made;
    return status;
  }
  Status destroy_stream(StreamHandle stream) override { return status_of(cudaStreamDestroy(native(stream))); }
  Status synchronize(StreamHandle stream) override { return status_of(cudaStreamSynchronize(native(stream))); }

  Status create_event(EventHandle& event) override {
    cudaEvent_t made = nullptr;
    Status status = status_of(cudaEventCreate(&made));
    event = made;
    return status;
  }
  Status destroy_event(EventHandle event) override { return status_of(cudaEventDestroy(native_event(event))); }
  Status record(EventHandle event, StreamHandle stream) override {
    return status_of(cudaEventRecord(native_event(event), native(stream)));
  }
  Status wait(StreamHandle stream, EventHandle event) override {
    return status_of(cudaStreamWaitEvent(native(stream), native_event(event), 0));
  }
  Status elapsed(Seconds& time, EventHandle begin, EventHandle end) override {
    float milliseconds = 0;
    Status status = status_of(cudaEventElapsedTime(&milliseconds, native_event(begin), native_event(end)));
    time = {1e-3 * static_cast<double>(milliseconds)};
    return status;
  }

  Status begin_capture(StreamHandle stream) override {
    return status_of(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal));
  }
  Status end_capture(StreamHandle stream, GraphHandle& graph) override {
    cudaGraph_t drawn = nullptr;
    if (const cudaError_t error = cudaStreamEndCapture(native(stream), &drawn); error != cudaSuccess) {
      return status_of(error);
    }
    cudaGraphExec_t made = nullptr;
    Status status = status_of(cudaGraphInstantiateWithFlags(&made, drawn, 0));
    graph = made;
    Status destroyed = status_of(cudaGraphDestroy(drawn));
    return status.ok() ? destroyed : status;
  }
  Status launch_graph(GraphHandle graph, StreamHandle stream) override {
    return status_of(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), native(stream)));
  }
  Status destroy_graph(GraphHandle graph) override {
    return status_of(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)));
  }

  Status launch(const Work& work, StreamHandle stream) override {
    const auto* product = std::get_if<GemmWork>(&work);
    return product != nullptr ? gemm_.multiply(*product, stream) : launch_(work, stream);
  }

  Status nccl(std::string& version) override { return collectives_.version(version); }
  Status create_communicator(void*& communicator, int ranks) override {
    return collectives_.create(communicator, ranks);
  }
  Status destroy_communicator(void* communicator) override { return collectives_.destroy(communicator); }
  Status collective(void* communicator, CollectiveOp op, const std::vector<void*>& send,
                    const std::vector<void*>& receive, std::size_t bytes,
                    const std::vector<StreamHandle>& streams) override {
    return collectives_.run(communicator, op, send, receive, bytes, streams);
  }

 private:
  KernelLaunch launch_;
  GemmLibrary gemm_;
  CollectiveLibrary collectives_;
  SensorLibrary sensors_;
};

}  // namespace

Status status_of(int error) {
  if (error == cudaSuccess) {
    return {};
  }
  cudaGetLastError();
  return {error, cudaGetErrorString(static_cast<cudaError_t>(error))};
}

SharedLibrary load_cuda_library(const std::string& name, int version) {
  const std::string versioned = name + "." + std::to_string(version);
  for (const std::string& file : {versioned, std::string(MOESAIC_CUDA_LIBRARIES "/") + versioned, name}) {
    if (SharedLibrary library(file.c_str()); library) {
      return library;
    }
  }
  return SharedLibrary(versioned.c_str());
}

std::unique_ptr<Runtime> make_cuda_runtime(KernelLaunch launch) { return std::make_unique<CudaRuntime>(launch); }

}  // namespace moesaic::cuda
