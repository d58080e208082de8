// CUDA threads as fibers: one block at a time, each thread runs until it waits for others. What a GPU leaves open is
// used against the kernel: which warp runs first, when an asynchronous copy lands, what shared memory holds at first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}  // NOLINT: as CUDA has it
};

namespace shim {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kMaxThreads = 1024;
inline constexpr std::size_t kMaxShared = 227 << 10;  ///< bytes, of compute capability 9.0 and 10.0

struct Options {
  std::uint64_t seed = 0;  ///< 0: all threads in turn; else a random warp runs as far ahead of the others as it can
  std::size_t stack = 256 << 10;
};

/// Runs every block of the grid. Throws std::invalid_argument for what a GPU refuses to launch, std::runtime_error for
/// a deadlock, and whatever the kernel throws.
void run(const Options& options, dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel);

// Of the calling thread.
dim3 thread_index();
dim3 block_index();
dim3 block_size();
dim3 grid_size();
unsigned lane();
std::byte* shared_memory();

/// Waits for all threads of the block that have not ended.
void barrier();

inline constexpr unsigned kWords = 8;
/// What the lanes of a warp show each other, and what the last lane to arrive has made of it.
struct Exchange {
  std::uint32_t words[kWarp][kWords];
  float product[16][8];
  std::int32_t integer_product[16][8];
};
/// Shows `count` words to the lanes in `mask`, which must all call this with the same name; `last` is run once, when
/// all have. The reference is good until this lane's next exchange.
const Exchange& exchange(const char* name, unsigned mask, const std::uint32_t* words, unsigned count,
                         void (*last)(Exchange&) = nullptr);

/// Asynchronous copies of 16 bytes, of which the first `bytes` come from `source` and the rest are zeros. Until its
/// thread waits for the copy, the destination holds NaN.
void copy_async(void* destination, const void* source, unsigned bytes);
void commit_copies();
void wait_copies(unsigned pending_groups);

}  // namespace shim
