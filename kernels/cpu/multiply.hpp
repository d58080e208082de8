// Private to kernels: products of rows by columns, the innermost loop of our own matrix kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/buffer.hpp"

namespace moesaic::cpu {

/// A block of a row-major matrix.
template <class T>
struct Block {
  T* data;
  std::size_t stride;  ///< elements from one row to the next
};

/// y[rows, columns] += x[rows, k] w[columns, k]^T.
void multiply_add(Block<const float> x, Block<const float> w, Block<float> y, int rows, int columns, int k);
void multiply_add(Block<const float> x, Block<const Bf16> w, Block<float> y, int rows, int columns, int k);
void multiply_add(Block<const std::int8_t> x, Block<const std::int8_t> w, Block<std::int32_t> y, int rows, int columns,
                  int k);

}  // namespace moesaic::cpu
