// Memory for kernels: aligned to cache lines, and first touched by the threads that will use it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "kernels/cpu/threads.hpp"

namespace moesaic::cpu {

/// A bfloat16: the upper half of a float.
struct Bf16 {
  std::uint16_t bits = 0;
};
inline float to_float(Bf16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }
inline Bf16 to_bf16(float value) {  // to nearest, ties to even; not for NaN
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

/// Large pages for an array of megabytes, as inference programs use them: else every page of a cache costs a walk
/// through the page table. Without them it works too.
void ask_for_huge_pages(void* data, std::size_t bytes);

/// An array that is not initialised until fill() does.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T), alignment(size))), Free{alignment(size)}), size_(size) {
    if (alignment(size) == kHuge) {
      ask_for_huge_pages(data_.get(), size * sizeof(T));
    }
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<const T> view() const { return {data(), size_}; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

  /// Element i becomes value(i).
  template <class Value>
  void fill(const Threads& threads, const Value& value) {
    const std::size_t parts = static_cast<std::size_t>(threads.count());
    threads.parallel(threads.count(), [&](int part) {
      const auto index = static_cast<std::size_t>(part);
      const std::size_t end = size_ * (index + 1) / parts;
      for (std::size_t i = size_ * index / parts; i < end; ++i) {
        data_[i] = value(i);
      }
    });
  }

 private:
  static constexpr std::align_val_t kCacheLine{64}, kHuge{std::size_t{2} << 20};
  static std::align_val_t alignment(std::size_t size) {
    return size * sizeof(T) >= 2 * static_cast<std::size_t>(kHuge) ? kHuge : kCacheLine;
  }
  struct Free {
    std::align_val_t alignment = kCacheLine;
    void operator()(T* data) const { ::operator delete(data, alignment); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

/// Well mixed bits of i (splitmix64).
inline std::uint64_t mix(std::uint64_t i) {
  i += 0x9E3779B97F4A7C15U;
  i = (i ^ (i >> 30)) * 0xBF58476D1CE4E5B9U;
  i = (i ^ (i >> 27)) * 0x94D049BB133111EBU;
  return i ^ (i >> 31);
}
/// A whole number from -3 to 3: its products are exact in every format.
inline int small_integer(std::uint64_t i) { return static_cast<int>(mix(i) % 7) - 3; }
/// A number in [-1, 1).
inline float small_number(std::uint64_t i) { return static_cast<float>(mix(i) >> 40) * 0x1p-23F - 1.0F; }

}  // namespace moesaic::cpu
