// Private to kernels: libraries that are loaded when they are first used, so that the program starts, and predicts,
// where they are absent. Errors come back as the CUDA runtime's numbers with the library's own text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/shared_library.hpp"
#include "kernels/cuda/runtime.hpp"

namespace moesaic::cuda {

/// Of a cudaError_t. Also forgets an error that does not last, which the next launch would report as its own.
Status status_of(int error);
/// Of this version or any, from where the system or the toolkit has it.
SharedLibrary load_cuda_library(const std::string& name, int version);

/// Products by cuBLASLt, of the device that is current at the first one. The algorithm is chosen once for every shape.
class GemmLibrary {
 public:
  GemmLibrary();
  ~GemmLibrary();
  GemmLibrary(const GemmLibrary&) = delete;
  GemmLibrary& operator=(const GemmLibrary&) = delete;
  Status multiply(const GemmWork& work, StreamHandle stream);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Collectives by NCCL.
class CollectiveLibrary {
 public:
  CollectiveLibrary();
  ~CollectiveLibrary();
  CollectiveLibrary(const CollectiveLibrary&) = delete;
  CollectiveLibrary& operator=(const CollectiveLibrary&) = delete;
  Status version(std::string& version);
  Status create(void*& communicator, int ranks);
  Status destroy(void* communicator);
  Status run(void* communicator, CollectiveOp op, const std::vector<void*>& send, const std::vector<void*>& receive,
             std::size_t bytes, const std::vector<StreamHandle>& streams);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Clock, temperature and power by NVML.
class SensorLibrary {
 public:
  SensorLibrary();
  ~SensorLibrary();
  SensorLibrary(const SensorLibrary&) = delete;
  SensorLibrary& operator=(const SensorLibrary&) = delete;
  Sensors read(const std::string& pci);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesaic::cuda
