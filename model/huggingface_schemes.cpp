// Quantization schemes that describe tensors themselves: compressed-tensors and TensorRT Model Optimizer.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/huggingface_common.hpp"
#include "model/huggingface_quantization.hpp"

namespace moesaic::huggingface {
namespace {

constexpr std::int64_t kMostBits = 16;

// Format of one element of `bits` bits.
DType element_type(std::int64_t bits, bool floating) {
  return !floating ? integer_type(bits) : bits == 8 ? DType::fp8 : DType::fp4;
}

// One side of a compressed-tensors group: {"num_bits", "type", "group_size", "symmetric", "block_structure"}.
StorageType read_scheme(const Config& config) {
  constexpr std::string_view kIgnored[] = {"actorder", "dynamic",     "observer", "observer_kwargs",
                                           "strategy", "scale_dtype", "is_mx",    "zp_dtype"};
  config.ignore(kIgnored);
  const std::int64_t bits = bounded(config, "num_bits", kMostBits);
  const std::string type = config.string_or("type", "int");
  const bool floating = type == "float";
  if (!floating && type != "int") {
    config.at("type").fail(fmt::format("expected \"int\" or \"float\", found '{}'", printable(type)));
  }
  if (bits > 8 || (floating && bits != 8 && bits != 4)) {
    config.at("num_bits").fail(fmt::format("{} bits of type {} are not supported", bits, type));
  }
  const auto width = static_cast<double>(bits);
  const double zero_point = config.boolean_or("symmetric", true) ? 0 : width;
  const double scale_bits = floating ? 8 : 16 + zero_point;  // scales of small floating-point groups have 8 bits
  StorageType storage{element_type(bits, floating),
                      grouped_bits(width, scale_bits, read_group(config, "group_size", 0))};
  if (const auto block = config.find("block_structure"); block && block->is_array()) {
    storage.bits += block_scale_bits(*block);
  }
  return storage;
}

void read_kv_scheme(const Config& quantization, Precision& precision) {
  if (const auto scheme = quantization.find("kv_cache_scheme")) {
    precision.kv = read_scheme(*scheme);
  }
}

}  // namespace

// Products run in the format of the activations if those are quantized too, else in the base format.
void read_compressed_tensors(const Config& quantization, std::int64_t layers, Precision& precision) {
  constexpr std::string_view kIgnored[] = {
      "format",  "quantization_status", "global_compression_ratio", "sparsity_config", "version", "transform_config",
      "producer"};
  quantization.ignore(kIgnored);
  read_kv_scheme(quantization, precision);
  const Parts open = converted(quantization, {"ignore"}, layers);
  const Config groups = quantization.at("config_groups");
  for (const std::string& name : groups.keys()) {
    const Config group = groups.at(name);
    constexpr std::string_view kGroupIgnored[] = {"output_activations", "format"};
    group.ignore(kGroupIgnored);
    Format format{read_scheme(group.at("weights")), precision.activations.dtype};
    if (const auto activations = group.find("input_activations")) {
      format.arithmetic = read_scheme(*activations).dtype;
    }
    const auto targets = group.find("targets");
    const Parts wanted = targets ? covered_parts(targets->elements(), layers) : kLinearLayers;
    apply(precision,
          {wanted.attention && open.attention, wanted.dense && open.dense, wanted.experts && open.experts,
           wanted.embedding},
          format);
  }
}

// TensorRT Model Optimizer names a whole scheme.
void read_modelopt(const Config& quantization, std::int64_t layers, Precision& precision) {
  constexpr std::string_view kIgnored[] = {"producer", "config_groups", "group_size", "has_zero_point",
                                           "pre_quant_scale"};
  quantization.ignore(kIgnored);
  const DType base = precision.activations.dtype;
  const std::pair<std::string_view, Format> known[] = {
      {"FP8", {{DType::fp8, 8}, DType::fp8}},
      {"FP8_PER_CHANNEL_PER_TOKEN", {{DType::fp8, 8}, DType::fp8}},
      {"FP8_PB_WO", {parse_storage_type("fp8-block"), base}},
      {"MXFP8", {parse_storage_type("mxfp8"), DType::fp8}},
      {"NVFP4", {parse_storage_type("nvfp4"), DType::fp4}},
      {"W4A16_NVFP4", {parse_storage_type("nvfp4"), base}},
      {"W4A16_AWQ", {{DType::int4, 4 + 16.0 / 128}, base}},
      {"W4A8_AWQ", {{DType::int4, 4 + 16.0 / 128}, DType::fp8}},
  };
  const Config algorithm = quantization.at("quant_algo");
  const std::string wanted = algorithm.string();
  const Format* format = nullptr;
  std::vector<std::string> names;
  for (const auto& [name, candidate] : known) {
    names.emplace_back(name);
    format = name == wanted ? &candidate : format;
  }
  if (format == nullptr) {
    algorithm.fail(fmt::format("unknown quant_algo '{}'{}", printable(wanted), suggest(wanted, names)));
  }
  apply(precision, converted(quantization, {"ignore", "exclude_modules"}, layers), *format);
  read_kv_scheme(quantization, precision);
  const std::string cache = quantization.string_or("kv_cache_quant_algo", "");
  if (cache == "FP8") {
    precision.kv = {DType::fp8, 8};
  } else if (cache == "NVFP4") {
    precision.kv = parse_storage_type("nvfp4");
  } else if (!cache.empty()) {
    quantization.at("kv_cache_quant_algo").fail(fmt::format("expected FP8 or NVFP4, found '{}'", printable(cache)));
  }
}

}  // namespace moesaic::huggingface
