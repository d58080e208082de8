#include "base/dtype.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

struct Format {
  std::string_view name;
  DType dtype;
  double bits;  // per element in storage
};

// In the order of DType. The arithmetic format tf32 is stored in 32 bits; plain "int4" has the usual scales.
constexpr Format kFormats[] = {
    {"fp64", DType::fp64, 64}, {"fp32", DType::fp32, 32},
    {"tf32", DType::tf32, 32}, {"bf16", DType::bf16, 16},
    {"fp16", DType::fp16, 16}, {"fp8", DType::fp8, 8},
    {"int8", DType::int8, 8},  {"fp6", DType::fp6, 6},
    {"fp4", DType::fp4, 4},    {"int4", DType::int4, 4 + 20.0 / 128},
};
static_assert(std::size(kFormats) == kDTypeCount);

// Microscaling formats share an 8-bit scale among 32 elements, nvfp4 among 16; fp8-block 32 bits per 128x128.
constexpr Format kScaled[] = {
    {"fp8-block", DType::fp8, 8 + 32.0 / (128 * 128)},
    {"mxfp8", DType::fp8, 8.25},
    {"mxfp6", DType::fp6, 6.25},
    {"mxfp4", DType::fp4, 4.25},
    {"nvfp4", DType::fp4, 4.5},
};

constexpr double kMostBits = 128;

// Arithmetic format of integers quantized to so many bits.
DType integer_format(double bits) { return bits < 5 ? DType::int4 : DType::int8; }

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool complete = !text.empty() && status == std::errc{} && end == text.data() + text.size();
  return complete ? std::optional(value) : std::nullopt;
}

// "N" or "N-gG": groups of G share a 16-bit scale and a zero point of N bits.
std::optional<StorageType> parse_integers(std::string_view text) {
  const std::size_t dash = text.find("-g");
  const auto bits = whole_number<int>(text.substr(0, dash));
  if (!bits || *bits < 1 || *bits > 8) {
    return std::nullopt;
  }
  if (dash == std::string_view::npos) {
    return StorageType{integer_format(*bits), static_cast<double>(*bits)};
  }
  const auto group = whole_number<int>(text.substr(dash + 2));
  if (!group || *group < 1 || *group > 65536) {
    return std::nullopt;
  }
  return StorageType{integer_format(*bits), *bits + (16.0 + *bits) / *group};
}

// "4.5bit" of integers, or of a named format: "fp4-4.5bit".
std::optional<StorageType> parse_bits(std::string_view text) {
  if (!text.ends_with("bit")) {
    return std::nullopt;
  }
  text.remove_suffix(3);
  const Format* format = nullptr;
  for (const Format& candidate : kFormats) {
    if (text.starts_with(candidate.name) && text.substr(candidate.name.size()).starts_with('-')) {
      format = &candidate;
    }
  }
  if (format != nullptr) {
    text.remove_prefix(format->name.size() + 1);
  }
  while (text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  const auto bits = whole_number<double>(text);
  if (!bits || !(*bits > 0) || *bits > (format != nullptr ? kMostBits : 9)) {
    return std::nullopt;
  }
  return StorageType{format != nullptr ? format->dtype : integer_format(*bits), *bits};
}

std::optional<StorageType> parse_known(std::string_view text) {
  for (const auto formats : {std::span<const Format>(kFormats), std::span<const Format>(kScaled)}) {
    for (const Format& format : formats) {
      if (text == format.name) {
        return StorageType{format.dtype, format.bits};
      }
    }
  }
  return text.starts_with("int") && !text.ends_with("bit") ? parse_integers(text.substr(3)) : parse_bits(text);
}

std::vector<std::string> names(std::span<const Format> formats) {
  std::vector<std::string> result;
  for (const Format& format : formats) {
    result.emplace_back(format.name);
  }
  return result;
}

}  // namespace

std::string_view name(DType dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  MOESAIC_ASSERT(index < kDTypeCount);
  return kFormats[index].name;
}

DType parse_dtype(std::string_view text) {
  for (const Format& format : kFormats) {
    if (text == format.name) {
      return format.dtype;
    }
  }
  throw UserError(fmt::format("unknown number format '{}'{}", printable(text), suggest(text, names(kFormats))));
}

StorageType parse_storage_type(std::string_view text) {
  if (const auto type = parse_known(text)) {
    return *type;
  }
  if (parse_known(std::string(text) + "bit")) {
    throw UserError(fmt::format("unknown storage format '{}' (did you mean '{}bit', a mean number of bits?)",
                                printable(text), printable(text)));
  }
  std::vector<std::string> known = names(kFormats);
  const auto scaled = names(kScaled);
  known.insert(known.end(), scaled.begin(), scaled.end());
  known.insert(known.end(), {"int6", "int4-g64", "4.5bit"});
  throw UserError(fmt::format("unknown storage format '{}'{}", printable(text), suggest(text, known)));
}

std::string to_text(StorageType type) {
  for (const auto formats : {std::span<const Format>(kFormats), std::span<const Format>(kScaled)}) {
    for (const Format& format : formats) {
      if (type == StorageType{format.dtype, format.bits}) {
        return std::string(format.name);
      }
    }
  }
  for (const int bits : {1, 2, 3, 5, 6, 7, 8, 4}) {
    const std::string text = fmt::format("int{}", bits);
    for (const std::string_view group : {"", "-g16", "-g32", "-g64", "-g128", "-g256"}) {
      if (parse_known(text + std::string(group)) == type) {
        return text + std::string(group);
      }
    }
  }
  const std::string bits = fmt::format("{}bit", type.bits);
  return parse_known(bits) == type ? bits : fmt::format("{}-{}", name(type.dtype), bits);
}

}  // namespace moesaic
