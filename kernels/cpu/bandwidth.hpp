// Bandwidth of caches and memory: reading, copying, and the triad a = b + s c of the STREAM benchmark.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/quantity.hpp"
#include "kernels/cpu/buffer.hpp"

namespace moesaic::cpu {

enum class Stream : unsigned char { read, copy, triad };
std::string_view name(Stream stream);

/// Arrays that are together as large as the footprint, in one contiguous share of each array per thread.
class StreamArrays {
 public:
  StreamArrays(Stream stream, Bytes footprint, const Threads& threads);
  /// Every thread goes over its share this many times.
  void run(int passes);
  /// What one pass reads and writes. As STREAM counts: not what a store reads before it writes.
  Bytes traffic() const;
  /// Sum of all elements of the array that was read or written last.
  std::uint64_t checksum() const;

 private:
  Stream stream_;
  Threads threads_;
  Buffer<std::uint64_t> a_, b_, c_;
  Buffer<std::uint64_t> sums_;  ///< one cache line per thread
};

}  // namespace moesaic::cpu
