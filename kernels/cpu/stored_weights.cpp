#include "kernels/cpu/stored_weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "kernels/cpu/multiply.hpp"

namespace moesaic::cpu {
namespace {

constexpr int kPanelDepth = 3 * kGroup;
constexpr int kPanelColumns = 16;
constexpr int kPanelRows = 64;

WeightFormat format_of(DType storage) {
  switch (storage) {
    case DType::fp32:
      return WeightFormat::fp32;
    case DType::bf16:
      return WeightFormat::bf16;
    case DType::int8:
      return WeightFormat::int8;
    default:
      MOESAIC_ASSERT(storage == DType::int4);
      return WeightFormat::int4;
  }
}

bool is_grouped(WeightFormat format) { return format == WeightFormat::int8 || format == WeightFormat::int4; }

std::size_t size(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

/// The value of element i of a group that begins at `bytes`.
float from_group(WeightFormat format, const std::uint8_t* bytes, int i, float scale, int zero) {
  if (format == WeightFormat::int8) {
    return scale * static_cast<float>(static_cast<std::int8_t>(bytes[i]));
  }
  constexpr int kHalf = kGroup / 2;
  const int nibble = i < kHalf ? bytes[i] & 15 : bytes[i - kHalf] >> 4;
  return (static_cast<float>(nibble) - static_cast<float>(zero)) * scale;
}

}  // namespace

bool can_store(DType storage, int k) {
  return storage == DType::fp32 || storage == DType::bf16 ||
         ((storage == DType::int8 || storage == DType::int4) && k % kGroup == 0);
}

StoredWeights::StoredWeights(DType storage, int columns, int k, const Threads& threads,
                             const std::function<float(std::size_t)>& value)
    : format_(format_of(storage)), columns_(columns), k_(k) {
  MOESAIC_ASSERT(can_store(storage, k));
  if (is_grouped(format_)) {
    store_groups(threads, value);
  } else if (format_ == WeightFormat::bf16) {
    store_plain<Bf16>(threads, value);
  } else {
    store_plain<float>(threads, value);
  }
}

template <class T>
void StoredWeights::store_plain(const Threads& threads, const std::function<float(std::size_t)>& value) {
  data_ = Buffer<std::uint8_t>(size(columns_, k_) * sizeof(T));
  T* elements = reinterpret_cast<T*>(data_.data());
  threads.parallel(columns_, [&](int column) {
    for (std::size_t i = size(column, k_); i < size(column + 1, k_); ++i) {
      if constexpr (std::is_same_v<T, Bf16>) {
        elements[i] = to_bf16(value(i));
      } else {
        elements[i] = value(i);
      }
    }
  });
}

std::size_t StoredWeights::group_bytes() const {
  return static_cast<std::size_t>(format_ == WeightFormat::int8 ? kGroup : kGroup / 2);
}

void StoredWeights::store_groups(const Threads& threads, const std::function<float(std::size_t)>& value) {
  const std::size_t per_column = static_cast<std::size_t>(k_ / kGroup);
  const std::size_t groups = static_cast<std::size_t>(columns_) * per_column;
  data_ = Buffer<std::uint8_t>(groups * group_bytes());
  scales_ = Buffer<Bf16>(groups);
  zeros_ = Buffer<std::uint8_t>(format_ == WeightFormat::int4 ? groups : 0);
  threads.parallel(columns_, [&](int column) {
    for (std::size_t group = static_cast<std::size_t>(column) * per_column;
         group < static_cast<std::size_t>(column + 1) * per_column; ++group) {
      float values[kGroup];
      for (std::size_t i = 0; i < kGroup; ++i) {
        values[i] = value(group * kGroup + i);
      }
      store_group(group, values);
    }
  });
}

void StoredWeights::store_group(std::size_t group, const float* values) {
  std::uint8_t* bytes = data_.data() + group * group_bytes();
  const float least = std::min(0.0F, *std::min_element(values, values + kGroup));
  const float most = std::max(0.0F, *std::max_element(values, values + kGroup));
  if (format_ == WeightFormat::int8) {
    const float scale = std::max(-least, most) / 127;
    scales_[group] = to_bf16(scale > 0 ? scale : 1.0F);
    for (int i = 0; i < kGroup; ++i) {
      const float steps = std::clamp(std::round(values[i] / to_float(scales_[group])), -127.0F, 127.0F);
      bytes[i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(steps));
    }
    return;
  }
  const float scale = (most - least) / 15;
  scales_[group] = to_bf16(scale > 0 ? scale : 1.0F);
  const float step = to_float(scales_[group]);
  const float zero = std::clamp(std::round(-least / step), 0.0F, 15.0F);
  zeros_[group] = static_cast<std::uint8_t>(zero);
  const auto nibble = [&](int i) {
    return static_cast<unsigned>(std::clamp(std::round(values[i] / step) + zero, 0.0F, 15.0F));
  };
  for (int i = 0; i < kGroup / 2; ++i) {
    bytes[i] = static_cast<std::uint8_t>(nibble(i) | nibble(i + kGroup / 2) << 4);
  }
}

float StoredWeights::element(int column, int i) const {
  const std::size_t at = size(column, k_) + static_cast<std::size_t>(i);
  if (is_grouped(format_)) {
    const std::size_t group = at / kGroup;
    return from_group(format_, data_.data() + group * group_bytes(), static_cast<int>(at % kGroup),
                      to_float(scales_[group]), format_ == WeightFormat::int4 ? zeros_[group] : 0);
  }
  if (format_ == WeightFormat::bf16) {
    return to_float(reinterpret_cast<const Bf16*>(data_.data())[at]);
  }
  return reinterpret_cast<const float*>(data_.data())[at];
}

const void* StoredWeights::column(int index) const {
  MOESAIC_ASSERT(!is_grouped(format_));
  return data_.data() + static_cast<std::size_t>(index) * (data_.size() / static_cast<std::size_t>(columns_));
}

Bytes StoredWeights::bytes() const {
  return {static_cast<double>(data_.size() + zeros_.size() + scales_.size() * sizeof(Bf16))};
}

void StoredWeights::multiply(const float* x, std::size_t x_stride, int rows, int first, int columns, float* y,
                             std::size_t y_stride, Instructions instructions) const {
  const std::size_t stride = data_.size() / static_cast<std::size_t>(columns_);
  const std::uint8_t* w = data_.data() + static_cast<std::size_t>(first) * stride;
  const std::size_t group = static_cast<std::size_t>(first) * static_cast<std::size_t>(k_ / kGroup);
  if (rows <= kFewRows) {
    vector_kernels(instructions)
        .few_rows({.x = x,
                   .x_stride = x_stride,
                   .rows = rows,
                   .format = format_,
                   .w = w,
                   .w_stride = stride,
                   .scales = is_grouped(format_) ? scales_.data() + group : nullptr,
                   .zeros = format_ == WeightFormat::int4 ? zeros_.data() + group : nullptr,
                   .columns = columns,
                   .k = k_,
                   .y = y,
                   .y_stride = y_stride});
    return;
  }
  for (int row = 0; row < rows; ++row) {
    std::fill_n(y + static_cast<std::size_t>(row) * y_stride, columns, 0.0F);
  }
  const auto k = static_cast<std::size_t>(k_);
  float unpacked[kPanelColumns * kPanelDepth];
  for (int column = 0; column < columns; column += kPanelColumns) {
    const int width = std::min(kPanelColumns, columns - column);
    for (int panel = 0; panel < k_; panel += kPanelDepth) {
      const int depth = std::min(kPanelDepth, k_ - panel);
      const std::size_t at = size(column, k_) + static_cast<std::size_t>(panel);
      if (is_grouped(format_)) {  // once for all rows
        for (int c = 0; c < width; ++c) {
          for (int i = 0; i < depth; ++i) {
            unpacked[c * kPanelDepth + i] = element(first + column + c, panel + i);
          }
        }
      }
      for (int row = 0; row < rows; row += kPanelRows) {
        const int height = std::min(kPanelRows, rows - row);
        const Block<const float> in{x + static_cast<std::size_t>(row) * x_stride + panel, x_stride};
        const Block<float> out{y + static_cast<std::size_t>(row) * y_stride + column, y_stride};
        if (is_grouped(format_)) {
          multiply_add(in, Block<const float>{unpacked, kPanelDepth}, out, height, width, depth);
        } else if (format_ == WeightFormat::bf16) {
          multiply_add(in, Block<const Bf16>{reinterpret_cast<const Bf16*>(w) + at, k}, out, height, width, depth);
        } else {
          multiply_add(in, Block<const float>{reinterpret_cast<const float*>(w) + at, k}, out, height, width, depth);
        }
      }
    }
  }
}

}  // namespace moesaic::cpu
