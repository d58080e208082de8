// Data for kernels that are measured on a GPU: random values, index tables, routings.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/device.hpp"
#include "model/routing.hpp"

namespace moesaic {

/// Random numbers that are the same on every computer: from 0 to 1, without 1.
class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

/// 0 ... count - 1 in a random order.
std::vector<std::int32_t> random_order(std::int32_t count, RandomNumbers& random);
/// next[i] leads from 0 through all multiples of `stride` below `count` and back, in a random order.
std::vector<std::uint32_t> random_cycle(std::uint32_t count, std::uint32_t stride, RandomNumbers& random);

/// Experts of tokens, `top_k` different ones for each: as measurements of balanced experts choose them (expert i of
/// token t is t + i * ceil(experts / top_k)), beginning at `first`.
std::vector<std::int32_t> even_choices(int tokens, int experts, int top_k, int first);
/// The same by chance, drawn without replacement by popularity.
std::vector<std::int32_t> drawn_choices(int tokens, int top_k, std::span<const double> popularity,
                                        RandomNumbers& random);
/// Popularities whose loads follow the power law that the column `skew` of measurements means.
std::vector<double> skewed_popularity(int tokens, int experts, int top_k, double skew, RandomNumbers& random);

/// A block of random values on the device from which inputs are filled. They can be read in every format: bf16 from -1
/// to 1 none of whose bytes is no number as fp8.
class RandomBlock {
 public:
  RandomBlock(cuda::Runtime& runtime, cuda::StreamHandle stream, Bytes bytes, std::uint64_t seed);
  void fill(void* to, Bytes bytes) const;

 private:
  cuda::Runtime& runtime_;
  cuda::StreamHandle stream_;
  Bytes bytes_;
  cuda::Owned block_;
};

/// The buffers of one point; they are freed together.
class Workspace {
 public:
  Workspace(cuda::Runtime& runtime, cuda::StreamHandle stream, const RandomBlock& random)
      : runtime_(runtime), stream_(stream), random_(random) {}

  /// Random values.
  char* input(Bytes bytes);
  /// Zeros.
  char* zeros(Bytes bytes);
  /// Undefined.
  char* output(Bytes bytes);
  template <class T>
  T* upload(const std::vector<T>& values) {
    return reinterpret_cast<T*>(upload(values.data(), values.size() * sizeof(T)));
  }

 private:
  char* upload(const void* from, std::size_t bytes);

  cuda::Runtime& runtime_;
  cuda::StreamHandle stream_;
  const RandomBlock& random_;
  std::vector<cuda::Owned> buffers_;
};

}  // namespace moesaic
