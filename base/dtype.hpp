// Number formats: what arithmetic runs in, and how many bits storage takes.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/quantity.hpp"

namespace moesaic {

/// Formats that arithmetic units have a peak rate for.
enum class DType : unsigned char { fp64, fp32, tf32, bf16, fp16, fp8, int8, fp6, fp4, int4 };
inline constexpr std::size_t kDTypeCount = 10;

/// "bf16"; the name used in configuration files and tables.
std::string_view name(DType dtype);
/// Throws UserError naming the nearest format.
DType parse_dtype(std::string_view text);

/// How a tensor is stored: its format and the bits of one element including scales, which may be fractional.
struct StorageType {
  DType dtype = DType::bf16;
  double bits = 16;  ///< per element, scale factors and zero points included
  bool operator==(const StorageType&) const = default;
  constexpr Bytes bytes(double elements) const { return {elements * bits / 8}; }
};

/// Reads "bf16", "fp8", "fp8-block" (a 32-bit scale per 128x128 block), "mxfp4" (4.25 bits), "nvfp4" (4.5 bits),
/// "int4" (4-bit, groups of 128 with a 16-bit scale and a 4-bit zero point: 4.15625 bits), "int8", or "int6" and
/// other intN / "N.N bit" forms. Throws UserError naming the nearest.
StorageType parse_storage_type(std::string_view text);
/// The text that parses back to the same type.
std::string to_text(StorageType type);

/// One value per DType, e.g. a unit's peak rates.
template <class T>
using PerDType = std::array<T, kDTypeCount>;

}  // namespace moesaic
