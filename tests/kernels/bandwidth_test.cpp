// The streams touch every element, and count the bytes that STREAM counts.
#include "kernels/cpu/bandwidth.hpp"

#include <gtest/gtest.h>

#include "kernels/cpu/staging.hpp"

#include "kernels/cpu/dispatch.hpp"

namespace moesaic::cpu {
namespace {

/// Sum of i % 1000 over the first n numbers.
std::uint64_t sum_below(std::uint64_t n) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    sum += i % 1000;
  }
  return sum;
}

TEST(Streams, TouchEveryElement) {
  // 24 KiB: arrays of 3072, 1536 and 1024 elements of 8 bytes, whole multiples of two threads' blocks.
  const Threads threads(2);
  const Bytes footprint{24 * 1024.0};
  StreamArrays read(Stream::read, footprint, threads);
  read.run(3);
  EXPECT_EQ(read.checksum(), sum_below(3072));
  StreamArrays copy(Stream::copy, footprint, threads);
  EXPECT_EQ(copy.checksum(), 0U);
  copy.run(2);
  EXPECT_EQ(copy.checksum(), sum_below(1536));
  StreamArrays triad(Stream::triad, footprint, threads);
  triad.run(2);
  EXPECT_EQ(triad.checksum(), 5 * sum_below(1024));  // b + 4 c of equal b and c
}

TEST(Streams, TrafficIsOncePerArray) {
  const Threads threads(1);
  for (const Stream stream : {Stream::read, Stream::copy, Stream::triad}) {
    EXPECT_EQ(StreamArrays(stream, {96 * 1024.0}, threads).traffic().value, 96 * 1024.0) << name(stream);
  }
}

TEST(Dispatch, ReturnsAlsoWithMoreThreadsThanProcessors) {
  dispatch_empty(Threads(1));
  dispatch_empty(Threads(7));
}

TEST(Staging, CopiesOnePieceAfterTheOther) {
  // Pieces are no multiple of what a thread takes at once; the last 100 bytes make no piece of their own.
  StagingCopy copy(Bytes{3 * 800'008.0 + 100}, Bytes{800'008}, Threads(2));
  EXPECT_EQ(copy.piece().value, 800'008);
  for (const std::size_t index : {0U, 1U, 2U, 0U}) {
    copy.run();
    EXPECT_EQ(copy.index(), index);
    EXPECT_EQ(copy.staged(), copy.expected(index));
  }
}

}  // namespace
}  // namespace moesaic::cpu
