// Private to kernels: a matrix of weights as a program keeps it in memory, plain or quantised by groups.
#pragma once

#include <functional>

#include "base/dtype.hpp"
#include "kernels/cpu/vector_kernels.hpp"

namespace moesaic::cpu {

/// w[columns][k]. fp32, bf16; int8: symmetric; int4: with a zero point; whole numbers with a 16-bit scale for each
/// kGroup elements, of which k is a multiple.
class StoredWeights {
 public:
  StoredWeights() = default;
  /// value(i): element i of w, row-major.
  StoredWeights(DType storage, int columns, int k, const Threads& threads,
                const std::function<float(std::size_t)>& value);

  /// y[rows][columns] = x[rows][k] w[first ... first + columns)[k]^T. Sums are of 32-bit floating point.
  void multiply(const float* x, std::size_t x_stride, int rows, int first, int columns, float* y, std::size_t y_stride,
                Instructions instructions) const;
  /// Where a column of plain numbers begins.
  const void* column(int index) const;
  /// What an element has become by being stored.
  float element(int column, int i) const;
  Bytes bytes() const;

 private:
  template <class T>
  void store_plain(const Threads& threads, const std::function<float(std::size_t)>& value);
  void store_groups(const Threads& threads, const std::function<float(std::size_t)>& value);
  void store_group(std::size_t group, const float* values);
  std::size_t group_bytes() const;

  WeightFormat format_ = WeightFormat::fp32;
  int columns_ = 0, k_ = 0;
  Buffer<std::uint8_t> data_;
  Buffer<Bf16> scales_;  ///< [columns][k / kGroup]
  Buffer<std::uint8_t> zeros_;
};

/// Whether matrices of this k can be stored so.
bool can_store(DType storage, int k);

}  // namespace moesaic::cpu
