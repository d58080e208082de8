// On top of the runtime's bare calls: errors as exceptions, resources that free themselves, and the timing of what a
// stream does.
#pragma once

#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime.hpp"
#include "kernels/timing.hpp"

namespace moesaic::cuda {

/// What an error means for those who measure.
enum class Failure : unsigned char {
  out_of_memory,  ///< this one was too large; a smaller one may do
  launch_failed,  ///< this call was refused; others may work
  unsupported,    ///< this device, driver or library cannot do it
  no_device,      ///< there is nothing to measure, or none of our kernels was compiled for it
  device_lost,    ///< every later call fails too
};
/// By the numbers of cudaError_t; what is not known counts as launch_failed.
Failure failure_of(int code);

class Error : public std::runtime_error {
 public:
  Error(Failure failure, const std::string& doing, std::string reason)
      : std::runtime_error(doing + ": " + reason), failure_(failure), reason_(std::move(reason)) {}
  Failure failure() const { return failure_; }
  /// Without what was done: "out of memory (CUDA error 2)".
  const std::string& reason() const { return reason_; }

 private:
  Failure failure_;
  std::string reason_;
};

/// Throws Error, "DOING: TEXT (CUDA error CODE)", unless all is well.
void check(const Status& status, std::string_view doing);

/// Something of the runtime that is released when nobody holds it: memory, a stream, an event, a graph. Must not
/// outlive the runtime. What releasing says is ignored: after a lost device nothing can be released, and it ends with
/// the process.
class Owned {
 public:
  using Release = Status (Runtime::*)(void*);

  Owned() = default;
  Owned(Runtime& runtime, void* handle, Release release) : runtime_(&runtime), handle_(handle), release_(release) {}
  Owned(Owned&& other) noexcept
      : runtime_(other.runtime_), handle_(std::exchange(other.handle_, nullptr)), release_(other.release_) {}
  Owned& operator=(Owned&& other) noexcept;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { reset(); }

  void* get() const { return handle_; }
  void reset();

 private:
  Runtime* runtime_ = nullptr;
  void* handle_ = nullptr;
  Release release_ = nullptr;
};

// All of the current device. They throw Error.
Owned allocate(Runtime& runtime, Bytes bytes);
Owned allocate_pinned(Runtime& runtime, Bytes bytes);
Owned create_stream(Runtime& runtime);
Owned create_event(Runtime& runtime);
Owned create_communicator(Runtime& runtime, int ranks);
/// What `enqueue` puts on each of the streams, as a graph for each. They no longer capture when `enqueue` throws.
std::vector<Owned> capture(Runtime& runtime, std::span<const StreamHandle> streams,
                           const std::function<void()>& enqueue);

/// How calls are put on a stream, again and again.
struct Repeated {
  /// Call number i, which uses its own data if the calls take turns: see `turns`.
  std::function<void(int i)> enqueue;
  /// Calls i and i + turns use the same data.
  int turns = 1;
  /// Short calls may be replayed from a graph, so that what launching costs the host does not show.
  bool replay = true;
  /// Further streams on which calls put work, each of another device.
  std::vector<StreamHandle> others{};
};

/// A clock for the budget, and a flag that ends measuring.
struct Patience {
  TimingRule rule;
  Clock clock = steady_clock();
  const std::atomic<bool>* stop = nullptr;
};

/// Times calls by events on `stream`. The first call is not counted: it loads code and chooses algorithms. The device
/// is kept busy before the first event, so that it never waits for the host between the two. Throws Error, also where
/// the events' time is negative or no number.
Timing time_on_stream(Runtime& runtime, StreamHandle stream, const Repeated& calls, const Patience& patience);

/// One call is the works of one chain, in order.
using Chain = std::vector<Work>;
/// Times chains that take turns.
Timing time_chains(Runtime& runtime, StreamHandle stream, std::span<const Chain> chains, const Patience& patience);

}  // namespace moesaic::cuda
