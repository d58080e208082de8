// Private to kernels: the inner loops whose speed is the point, compiled once for each instruction set; the processor
// that runs them decides which.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/instructions.hpp"

namespace moesaic::cpu {

/// Tokens of a page: a vector of scores.
inline constexpr int kPageLanes = 16;
/// Weights that share a scale.
inline constexpr int kGroup = 128;

/// The query heads of one KV head against all pages of one sequence. A page holds keys as [dim][kPageLanes], so that
/// the scores of its tokens grow side by side, and values as [kPageLanes][dim]; of 16-bit numbers, two rows lie
/// element by element beside each other, [rows / 2][width][2], so that one load gives both. dim is even.
template <class T>
struct PagedHeads {
  const float* query = nullptr;  ///< [heads][dim]
  const T* keys = nullptr;
  const T* values = nullptr;
  const std::size_t* pages = nullptr;  ///< where each page begins in keys and in values
  int page_count = 0;
  int context = 0;  ///< tokens; the last page may hold fewer than kPageLanes
  int heads = 1;
  int dim = 1;
  float scale = 1;
  float* state = nullptr;   ///< [heads][kPageLanes + 1], overwritten
  float* output = nullptr;  ///< [heads][dim]
};

/// How weights are stored: [columns][k], and with whole numbers a scale and a zero point for each kGroup of k.
enum class WeightFormat : unsigned char {
  fp32,
  bf16,
  int8,  ///< value = scale * byte
  int4,  ///< value = scale * (nibble - zero); byte j of a group holds element j below and element j + kGroup / 2 above
};

/// Rows up to which weights are multiplied as they come from memory; more pay for keeping weights in the first cache.
inline constexpr int kFewRows = 8;

/// y[rows][columns] = x[rows][k] w[columns][k]^T for few rows. k is a multiple of kGroup for whole numbers.
struct FewRows {
  const float* x = nullptr;
  std::size_t x_stride = 0;
  int rows = 1;
  WeightFormat format = WeightFormat::bf16;
  const std::uint8_t* w = nullptr;  ///< of the first column
  std::size_t w_stride = 0;         ///< bytes from one column to the next
  const Bf16* scales = nullptr;     ///< [columns][k / kGroup]
  const std::uint8_t* zeros = nullptr;
  int columns = 1;
  int k = 1;
  float* y = nullptr;
  std::size_t y_stride = 0;
};

struct VectorKernels {
  void (*attend_fp32)(const PagedHeads<float>&);
  void (*attend_bf16)(const PagedHeads<Bf16>&);
  void (*few_rows)(const FewRows&);
};
/// `instructions` must be usable.
const VectorKernels& vector_kernels(Instructions instructions);

}  // namespace moesaic::cpu
