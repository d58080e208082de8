#include "tests/kernels/shim/block.hpp"

#include <algorithm>
#include <bit>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/address_sanitizer.hpp"

#if defined(MOESAIC_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace shim {
namespace {

namespace context = boost::context;
constexpr int kPoison = 0xFF;  // NaN as fp32, bf16, fp16 and fp8

struct Cancelled {};  // thrown into threads that are abandoned because another one failed

struct Copy {
  void* destination;
  const void* source;
  unsigned bytes;
};

struct Warp {
  Exchange exchanges[2];  // used in turn: who still reads one cannot be overtaken by more than one exchange
  const char* name = nullptr;
  unsigned mask = 0, arrived = 0;
  std::uint64_t generation = 0;
};

struct Block;
struct Thread {
  dim3 index;
  unsigned linear = 0;
  Block* block = nullptr;
  context::fiber self, scheduler;
  bool done = false;
  std::exception_ptr error;
  const std::uint64_t* generation = nullptr;  // waits until this is no longer `seen`
  std::uint64_t seen = 0;
  std::vector<Copy> uncommitted;
  std::deque<std::vector<Copy>> groups;
  const void* stack_bottom = nullptr;
  std::size_t stack_size = 0;
  void* fake_stack = nullptr;

  bool can_run() const { return !done && (generation == nullptr || *generation != seen); }
};

struct Block {
  dim3 index, size, grid;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::byte* shared = nullptr;
  unsigned live = 0, at_barrier = 0;
  std::uint64_t barrier_generation = 0;
  bool cancelled = false;
};

thread_local Thread* current = nullptr;

// AddressSanitizer must be told of every change of stack, or it sees overflows where there are none.
struct SchedulerStack {
  const void* bottom = nullptr;
  std::size_t size = 0;
  void* fake_stack = nullptr;
};
thread_local SchedulerStack scheduler_stack;

void entered_fiber([[maybe_unused]] void* fake_stack) {
#if defined(MOESAIC_ADDRESS_SANITIZER)
  __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack.bottom, &scheduler_stack.size);
#endif
}

void leave_fiber([[maybe_unused]] void** fake_stack) {
#if defined(MOESAIC_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(fake_stack, scheduler_stack.bottom, scheduler_stack.size);
#endif
}

void step(Thread& thread) {
  current = &thread;
#if defined(MOESAIC_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(&scheduler_stack.fake_stack, thread.stack_bottom, thread.stack_size);
#endif
  thread.self = std::move(thread.self).resume();
#if defined(MOESAIC_ADDRESS_SANITIZER)
  __sanitizer_finish_switch_fiber(scheduler_stack.fake_stack, nullptr, nullptr);
#endif
  if (thread.error) {
    std::rethrow_exception(std::exchange(thread.error, nullptr));
  }
}

/// Lets others run until the generation changes.
void wait(const std::uint64_t& generation, std::uint64_t seen) {
  Thread* me = current;
  me->generation = &generation;
  me->seen = seen;
  while (generation == seen) {
    leave_fiber(&me->fake_stack);
    me->scheduler = std::move(me->scheduler).resume();
    entered_fiber(me->fake_stack);
    current = me;
    if (me->block->cancelled) {
      throw Cancelled{};  // not by Boost's unwinding, which the sanitizers cannot follow
    }
  }
  me->generation = nullptr;
}

/// Stacks of one size, each with a guard page below, used again by later blocks.
class StackPool {
 public:
  explicit StackPool(std::size_t bytes) : allocator_(bytes) {}
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  ~StackPool() {
    for (context::stack_context& stack : free_) {
      allocator_.deallocate(stack);
    }
  }
  context::stack_context take() {
    if (free_.empty()) {
      return allocator_.allocate();
    }
    const context::stack_context stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void give_back(const context::stack_context& stack) {
#if defined(MOESAIC_ADDRESS_SANITIZER)
    const std::size_t usable = stack.size - context::stack_traits::page_size();
    ASAN_UNPOISON_MEMORY_REGION(static_cast<char*>(stack.sp) - usable, usable);
#endif
    free_.push_back(stack);
  }

 private:
  context::protected_fixedsize_stack allocator_;
  std::vector<context::stack_context> free_;
};

struct PooledStack {
  using traits_type = context::stack_traits;
  StackPool* pool;
  Thread* thread;

  context::stack_context allocate() {
    const context::stack_context stack = pool->take();
    thread->stack_size = stack.size - traits_type::page_size();
    thread->stack_bottom = static_cast<char*>(stack.sp) - thread->stack_size;
    return stack;
  }
  void deallocate(context::stack_context& stack) { pool->give_back(stack); }
};

std::string text(dim3 index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

std::runtime_error deadlock(const Block& block) {
  const auto at_collective = std::count_if(block.threads.begin(), block.threads.end(), [&](const Thread& thread) {
    return !thread.done && thread.generation != &block.barrier_generation;
  });
  return std::runtime_error("deadlock in block " + text(block.index) + ": " + std::to_string(block.at_barrier) +
                            " of " + std::to_string(block.live) + " live threads at a barrier, " +
                            std::to_string(at_collective) + " at a warp collective");
}

void start(Thread& thread, StackPool& stacks, const std::function<void()>& kernel) {
  thread.self = context::fiber{
      std::allocator_arg, PooledStack{&stacks, &thread}, [&thread, &kernel](context::fiber&& scheduler) {
        entered_fiber(nullptr);
        thread.scheduler = std::move(scheduler);
        current = &thread;
        try {
          if (!thread.block->cancelled) {
            kernel();
          }
        } catch (const Cancelled&) {  // NOLINT(bugprone-empty-catch): the failure itself is reported by its thread
        } catch (...) {
          thread.error = std::current_exception();
        }
        Block& block = *thread.block;
        thread.done = true;
        --block.live;
        if (block.live > 0 && block.at_barrier == block.live) {  // who has ended is not waited for
          block.at_barrier = 0;
          ++block.barrier_generation;
        }
        leave_fiber(nullptr);
        return std::move(thread.scheduler);
      }};
}

/// Every thread that can, in turn.
bool sweep(Block& block) {
  bool moved = false;
  for (Thread& thread : block.threads) {
    if (thread.can_run()) {
      step(thread);
      moved = true;
    }
  }
  return moved;
}

/// One warp after the other, in random order, each as far as it gets alone; its lanes in a random order too.
bool adversarial_sweep(Block& block, std::mt19937_64& random) {
  std::vector<unsigned> warps(block.warps.size()), lanes(kWarp);
  std::iota(warps.begin(), warps.end(), 0U);
  std::iota(lanes.begin(), lanes.end(), 0U);
  std::shuffle(warps.begin(), warps.end(), random);
  bool moved = false;
  for (const unsigned warp : warps) {
    std::shuffle(lanes.begin(), lanes.end(), random);
    for (bool again = true; again;) {
      again = false;
      for (const unsigned lane : lanes) {
        const std::size_t thread = std::size_t{warp} * kWarp + lane;
        if (thread < block.threads.size() && block.threads[thread].can_run()) {
          step(block.threads[thread]);
          again = moved = true;
        }
      }
    }
  }
  return moved;
}

void run_block(Block& block, StackPool& stacks, const std::function<void()>& kernel, std::mt19937_64* random) {
  const unsigned count = block.size.x * block.size.y * block.size.z;
  block.threads.resize(count);
  block.warps.resize((count + kWarp - 1) / kWarp);
  block.live = count;
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = block.threads[i];
    thread.index = {i % block.size.x, i / block.size.x % block.size.y, i / block.size.x / block.size.y};
    thread.linear = i;
    thread.block = &block;
    start(thread, stacks, kernel);
  }
  try {
    while (block.live > 0) {
      const bool moved = random == nullptr ? sweep(block) : adversarial_sweep(block, *random);
      if (!moved) {
        throw deadlock(block);
      }
    }
  } catch (...) {
    block.cancelled = true;
    for (Thread& thread : block.threads) {
      thread.error = nullptr;
      if (!thread.done) {
        thread.error = nullptr;
        step(thread);
      }
    }
    throw;
  }
}

struct FreeShared {
  void operator()(std::byte* data) const { ::operator delete (data, std::align_val_t{128}); }
};

}  // namespace

void run(const Options& options, dim3 grid, dim3 block_size, std::size_t shared_bytes,
         const std::function<void()>& kernel) {
  const std::uint64_t threads = std::uint64_t{block_size.x} * block_size.y * block_size.z;
  if (threads == 0 || threads > kMaxThreads || block_size.z > 64) {
    throw std::invalid_argument("a block of " + text(block_size) + " threads");
  }
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7FFFFFFF || grid.y > 65535 || grid.z > 65535) {
    throw std::invalid_argument("a grid of " + text(grid) + " blocks");
  }
  if (shared_bytes > kMaxShared) {
    throw std::invalid_argument(std::to_string(shared_bytes) + " bytes of shared memory");
  }
  std::mt19937_64 random(options.seed);
  StackPool stacks(options.stack);
  // Exactly as large as asked for, so that AddressSanitizer sees what lies behind.
  const std::unique_ptr<std::byte, FreeShared> shared(
      static_cast<std::byte*>(::operator new (std::max<std::size_t>(shared_bytes, 1), std::align_val_t{128})));
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        std::memset(shared.get(), kPoison, shared_bytes);
        Block block;
        block.index = {x, y, z};
        block.size = block_size;
        block.grid = grid;
        block.shared = shared.get();
        run_block(block, stacks, kernel, options.seed == 0 ? nullptr : &random);
      }
    }
  }
}

dim3 thread_index() { return current->index; }
dim3 block_index() { return current->block->index; }
dim3 block_size() { return current->block->size; }
dim3 grid_size() { return current->block->grid; }
unsigned lane() { return current->linear % kWarp; }
std::byte* shared_memory() { return current->block->shared; }

void barrier() {
  Block& block = *current->block;
  if (++block.at_barrier == block.live) {
    block.at_barrier = 0;
    ++block.barrier_generation;
  } else {
    wait(block.barrier_generation, block.barrier_generation);
  }
}

const Exchange& exchange(const char* name, unsigned mask, const std::uint32_t* words, unsigned count,
                         void (*last)(Exchange&)) {
  Warp& warp = current->block->warps[current->linear / kWarp];
  if (((mask >> lane()) & 1) == 0) {
    throw std::logic_error(std::string(name) + ": the calling lane is not in the mask");
  }
  if (warp.arrived == 0) {
    warp.name = name;
    warp.mask = mask;
  } else if (warp.mask != mask || std::strcmp(warp.name, name) != 0) {
    throw std::logic_error(std::string("lanes of a warp meet at ") + warp.name + " and at " + name);
  }
  Exchange& shown = warp.exchanges[warp.generation % 2];
  std::copy_n(words, count, shown.words[lane()]);
  if (++warp.arrived == static_cast<unsigned>(std::popcount(mask))) {
    if (last != nullptr) {
      last(shown);
    }
    warp.arrived = 0;
    ++warp.generation;
  } else {
    wait(warp.generation, warp.generation);
  }
  return shown;
}

void copy_async(void* destination, const void* source, unsigned bytes) {
  if (std::bit_cast<std::uintptr_t>(destination) % 16 != 0 || std::bit_cast<std::uintptr_t>(source) % 16 != 0) {
    throw std::invalid_argument("an asynchronous copy that is not aligned to 16 bytes");
  }
  std::memset(destination, kPoison, 16);
  current->uncommitted.push_back({destination, source, bytes});
}

void commit_copies() { current->groups.push_back(std::exchange(current->uncommitted, {})); }

void wait_copies(unsigned pending_groups) {
  for (; current->groups.size() > pending_groups; current->groups.pop_front()) {
    for (const Copy& copy : current->groups.front()) {
      std::memset(copy.destination, 0, 16);
      if (copy.bytes > 0) {
        std::memcpy(copy.destination, copy.source, copy.bytes);
      }
    }
  }
}

}  // namespace shim
