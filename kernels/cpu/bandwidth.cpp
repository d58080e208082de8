#include "kernels/cpu/bandwidth.hpp"

#include <cstring>

#include "base/error.hpp"
#include "kernels/cpu/vector_clones.hpp"

namespace moesaic::cpu {
namespace {

constexpr std::size_t kLine = 8;  // elements of a cache line

// Four streams: one alone would wait for its own additions.
MOESAIC_VECTOR_CLONES std::uint64_t sum(const std::uint64_t* a, std::size_t size) {
  const std::size_t quarter = size / 4;
  const std::uint64_t *b = a + quarter, *c = b + quarter, *d = c + quarter;
  std::uint64_t sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
#pragma omp simd reduction(+ : sum_a, sum_b, sum_c, sum_d)
  for (std::size_t i = 0; i < quarter; ++i) {
    sum_a += a[i];
    sum_b += b[i];
    sum_c += c[i];
    sum_d += d[i];
  }
  return sum_a + sum_b + sum_c + sum_d;
}

// Integers: their cost is the same, and no sum depends on the order.
MOESAIC_VECTOR_CLONES void add_scaled(std::uint64_t* __restrict a, const std::uint64_t* __restrict b,
                                      const std::uint64_t* __restrict c, std::size_t size) {
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    a[i] = b[i] + 4 * c[i];
  }
}

int arrays(Stream stream) { return static_cast<int>(stream) + 1; }

}  // namespace

std::string_view name(Stream stream) {
  constexpr std::string_view kNames[] = {"read", "copy", "triad"};
  return kNames[static_cast<std::size_t>(stream)];
}

StreamArrays::StreamArrays(Stream stream, Bytes footprint, const Threads& threads)
    : stream_(stream), threads_(threads), sums_(kLine * static_cast<std::size_t>(threads.count())) {
  const std::size_t unit = 4 * kLine * static_cast<std::size_t>(threads.count());  // whole lines in every stream
  const auto wanted = static_cast<std::size_t>(footprint.value / arrays(stream) / sizeof(std::uint64_t));
  const std::size_t size = std::max<std::size_t>(1, wanted / unit) * unit;
  sums_.fill(threads, [](std::size_t) { return 0; });
  a_ = Buffer<std::uint64_t>(size);
  a_.fill(threads, [&](std::size_t i) { return stream == Stream::read ? i % 1000 : 0; });
  for (Buffer<std::uint64_t>* other : {&b_, &c_}) {
    if (stream == Stream::triad || (stream == Stream::copy && other == &b_)) {
      *other = Buffer<std::uint64_t>(size);
      other->fill(threads, [](std::size_t i) { return i % 1000; });
    }
  }
}

void StreamArrays::run(int passes) {
  const std::size_t share = a_.size() / static_cast<std::size_t>(threads_.count());
  threads_.parallel(threads_.count(), [&](int part) {
    const std::size_t begin = share * static_cast<std::size_t>(part);
    std::uint64_t total = 0;
    for (int pass = 0; pass < passes; ++pass) {
      switch (stream_) {
        case Stream::read:
          total = sum(a_.data() + begin, share);
          break;
        case Stream::copy:
          std::memcpy(a_.data() + begin, b_.data() + begin, share * sizeof(std::uint64_t));
          break;
        case Stream::triad:
          add_scaled(a_.data() + begin, b_.data() + begin, c_.data() + begin, share);
          break;
      }
      asm volatile("" ::: "memory");  // each pass is done, although it does what the one before did
    }
    sums_[kLine * static_cast<std::size_t>(part)] = total;
  });
}

Bytes StreamArrays::traffic() const {
  return {static_cast<double>(arrays(stream_)) * static_cast<double>(a_.size() * sizeof(std::uint64_t))};
}

std::uint64_t StreamArrays::checksum() const {
  std::uint64_t total = 0;
  if (stream_ == Stream::read) {
    for (std::size_t i = 0; i < sums_.size(); i += kLine) {
      total += sums_[i];
    }
    return total;
  }
  for (const std::uint64_t value : a_.view()) {
    total += value;
  }
  return total;
}

}  // namespace moesaic::cpu
