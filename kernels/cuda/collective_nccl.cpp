// Collectives by NCCL, of all devices of one process.
#include <cuda_runtime_api.h>

#include "kernels/cuda/cuda_libraries.hpp"

#ifdef MOESAIC_NCCL
#include <nccl.h>
#endif

namespace moesaic::cuda {

#ifdef MOESAIC_NCCL

namespace {

struct Communicator {
  std::vector<ncclComm_t> ranks;
  bool failed = false;  ///< nobody knows what still runs: waiting for it may take forever
};

}  // namespace

struct CollectiveLibrary::State {
  SharedLibrary library = load_cuda_library("libnccl.so", NCCL_MAJOR);
  decltype(ncclGetVersion)* get_version = nullptr;
  decltype(ncclGetErrorString)* text = nullptr;
  decltype(ncclCommInitAll)* init_all = nullptr;
  decltype(ncclCommDestroy)* destroy = nullptr;
  decltype(ncclCommAbort)* abort = nullptr;
  decltype(ncclGroupStart)* group_start = nullptr;
  decltype(ncclGroupEnd)* group_end = nullptr;
  decltype(ncclAllReduce)* all_reduce = nullptr;
  decltype(ncclAllGather)* all_gather = nullptr;
  decltype(ncclReduceScatter)* reduce_scatter = nullptr;
  decltype(ncclSend)* send = nullptr;
  decltype(ncclRecv)* receive = nullptr;

  bool find_functions() {
    return library.find("ncclGetVersion", get_version) && library.find("ncclGetErrorString", text) &&
           library.find("ncclCommInitAll", init_all) && library.find("ncclCommDestroy", destroy) &&
           library.find("ncclCommAbort", abort) && library.find("ncclGroupStart", group_start) &&
           library.find("ncclGroupEnd", group_end) && library.find("ncclAllReduce", all_reduce) &&
           library.find("ncclAllGather", all_gather) && library.find("ncclReduceScatter", reduce_scatter) &&
           library.find("ncclSend", send) && library.find("ncclRecv", receive);
  }

  Status status(ncclResult_t result, const char* function) const {
    if (result == ncclSuccess) {
      return {};
    }
    const std::string what = std::string(function) + ": " + text(result);
    const cudaError_t error = cudaGetLastError();
    return error == cudaSuccess ? Status{static_cast<int>(cudaErrorInvalidValue), what}
                                : Status{static_cast<int>(error), what + ", " + cudaGetErrorString(error)};
  }

  /// What one rank contributes; within a group.
  ncclResult_t enqueue(const Communicator& group, std::size_t rank, CollectiveOp op, void* from, void* to,
                       std::size_t bytes, cudaStream_t stream) const {
    constexpr std::size_t kElement = 2;
    const std::size_t ranks = group.ranks.size(), elements = bytes / kElement, share = elements / ranks;
    ncclComm_t comm = group.ranks[rank];
    switch (op) {
      case CollectiveOp::all_reduce:
        return all_reduce(from, to, elements, ncclBfloat16, ncclSum, comm, stream);
      case CollectiveOp::all_gather:
        return all_gather(from, to, share, ncclBfloat16, comm, stream);
      case CollectiveOp::reduce_scatter:
        return reduce_scatter(from, to, share, ncclBfloat16, ncclSum, comm, stream);
      case CollectiveOp::send_receive: {
        const auto next = static_cast<int>((rank + 1) % ranks), before = static_cast<int>((rank + ranks - 1) % ranks);
        const ncclResult_t sent = send(from, elements, ncclBfloat16, next, comm, stream);
        return sent == ncclSuccess ? receive(to, elements, ncclBfloat16, before, comm, stream) : sent;
      }
      case CollectiveOp::all_to_all:
        for (std::size_t peer = 0; peer < ranks; ++peer) {
          const std::size_t offset = peer * share * kElement;
          const auto other = static_cast<int>(peer);
          if (const ncclResult_t sent =
                  send(static_cast<char*>(from) + offset, share, ncclBfloat16, other, comm, stream);
              sent != ncclSuccess) {
            return sent;
          }
          if (const ncclResult_t received =
                  receive(static_cast<char*>(to) + offset, share, ncclBfloat16, other, comm, stream);
              received != ncclSuccess) {
            return received;
          }
        }
        return ncclSuccess;
    }
    return ncclInvalidArgument;
  }
};

Status CollectiveLibrary::version(std::string& version) {
  if (!state_) {
    state_ = std::make_unique<State>();
  }
  if (!state_->find_functions()) {
    return {static_cast<int>(cudaErrorNotSupported), "there is no libnccl.so." + std::to_string(NCCL_MAJOR) + " here"};
  }
  int number = 0;
  Status status = state_->status(state_->get_version(&number), "ncclGetVersion");
  version =
      std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." + std::to_string(number % 100);
  return status;
}

Status CollectiveLibrary::create(void*& communicator, int ranks) {
  std::string ignored;
  if (Status found = version(ignored); !found.ok()) {
    return found;
  }
  auto made = std::make_unique<Communicator>();
  made->ranks.resize(static_cast<std::size_t>(ranks));
  Status status = state_->status(state_->init_all(made->ranks.data(), ranks, nullptr), "ncclCommInitAll");
  communicator = status.ok() ? made.release() : nullptr;
  return status;
}

Status CollectiveLibrary::destroy(void* communicator) {
  const std::unique_ptr<Communicator> owned(static_cast<Communicator*>(communicator));
  Status status;
  for (ncclComm_t rank : owned->ranks) {
    if (const ncclResult_t result = owned->failed ? state_->abort(rank) : state_->destroy(rank);
        result != ncclSuccess) {
      status = state_->status(result, "ncclCommDestroy");
    }
  }
  return status;
}

Status CollectiveLibrary::run(void* communicator, CollectiveOp op, const std::vector<void*>& send,
                              const std::vector<void*>& receive, std::size_t bytes,
                              const std::vector<StreamHandle>& streams) {
  auto& group = *static_cast<Communicator*>(communicator);
  ncclResult_t result = state_->group_start();
  for (std::size_t rank = 0; rank < group.ranks.size() && result == ncclSuccess; ++rank) {
    result =
        state_->enqueue(group, rank, op, send[rank], receive[rank], bytes, static_cast<cudaStream_t>(streams[rank]));
  }
  const ncclResult_t ended = state_->group_end();
  result = result == ncclSuccess ? ended : result;
  group.failed |= result != ncclSuccess;
  return state_->status(result, "a collective of NCCL");
}

#else

struct CollectiveLibrary::State {};

namespace {

Status absent() { return {static_cast<int>(cudaErrorNotSupported), "moesaic was built without NCCL's header"}; }

}  // namespace

Status CollectiveLibrary::version(std::string&) { return absent(); }
Status CollectiveLibrary::create(void*&, int) { return absent(); }
Status CollectiveLibrary::destroy(void*) { return absent(); }
Status CollectiveLibrary::run(void*, CollectiveOp, const std::vector<void*>&, const std::vector<void*>&, std::size_t,
                              const std::vector<StreamHandle>&) {
  return absent();
}

#endif

CollectiveLibrary::CollectiveLibrary() = default;
CollectiveLibrary::~CollectiveLibrary() = default;

}  // namespace moesaic::cuda
