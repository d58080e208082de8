// Private to the readers: how each quant_method of a quantization_config sets the formats of a network.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/config.hpp"
#include "base/dtype.hpp"
#include "model/architecture.hpp"
#include "model/huggingface_modules.hpp"

namespace moesaic::huggingface {

/// How weights are stored and what their matrix products run in.
struct Format {
  StorageType storage;
  DType arithmetic = DType::bf16;
};
/// Sets the format of the classes of weights in `parts`.
void apply(Precision& precision, const Parts& parts, const Format& format);
/// The classes that a method converts: all but the embedding tables, less what the lists under `keys` leave out.
Parts converted(const Config& quantization, std::initializer_list<std::string_view> keys, std::int64_t layers);

/// Bits of one element when `group` elements share a scale of `scale_bits`; group 0: one scale a row or more.
double grouped_bits(double bits, double scale_bits, std::int64_t group);
/// A group size; 0 for the -1 that means one scale a row.
std::int64_t read_group(const Config& config, std::string_view key, std::int64_t fallback);
/// Bits that a 32-bit scale for a block of [rows, columns] adds to each element.
double block_scale_bits(const Config& block);
/// The format of integers of so many bits.
DType integer_type(std::int64_t bits);

// One function for each quant_method. `precision` holds the base formats on entry.
void read_fp8(const Config& quantization, std::int64_t layers, Precision& precision);
void read_mxfp4(const Config& quantization, std::int64_t layers, Precision& precision);
void read_integers(const Config& quantization, std::int64_t layers, Precision& precision);
void read_bitsandbytes(const Config& quantization, std::int64_t layers, Precision& precision);
void read_compressed_tensors(const Config& quantization, std::int64_t layers, Precision& precision);
void read_modelopt(const Config& quantization, std::int64_t layers, Precision& precision);

}  // namespace moesaic::huggingface
