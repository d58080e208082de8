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

StorageType read_base(const Config& text) {
  const std::string_view key = text.has("torch_dtype") ? "torch_dtype" : "dtype";
  const std::string found = text.string_or(key, "bfloat16");
  const std::pair<std::string_view, StorageType> known[] = {{"bfloat16", {DType::bf16, 16}},
                                                            {"float16", {DType::fp16, 16}},
                                                            {"half", {DType::fp16, 16}},
                                                            {"float32", {DType::fp32, 32}},
                                                            {"float", {DType::fp32, 32}}};
  std::vector<std::string> names;
  for (const auto& [name, type] : known) {
    names.emplace_back(name);
    if (found == name || found == fmt::format("torch.{}", name)) {
      return type;
    }
  }
  text.at(key).fail(fmt::format("unknown data type '{}'{}", printable(found), suggest(found, names)));
}

Precision uniform(StorageType base) {
  Precision precision;
  precision.attention_weights = precision.dense_weights = precision.expert_weights = base;
  precision.embedding_weights = precision.router_weights = precision.activations = precision.kv = base;
  precision.attention_arithmetic = precision.dense_arithmetic = precision.expert_arithmetic = base.dtype;
  precision.embedding_arithmetic = precision.score_arithmetic = base.dtype;
  return precision;
}

using Reader = void (*)(const Config& quantization, std::int64_t layers, Precision& precision);
constexpr std::pair<std::string_view, Reader> kMethods[] = {
    {"fp8", read_fp8},
    {"fbgemm_fp8", read_fp8},
    {"mxfp4", read_mxfp4},
    {"gptq", read_integers},
    {"awq", read_integers},
    {"bitsandbytes", read_bitsandbytes},
    {"compressed-tensors", read_compressed_tensors},
    {"modelopt", read_modelopt},
    {"modelopt_fp4", read_modelopt},
};

}  // namespace

Precision read_precision(const Config& config, const Config& text, std::int64_t layers) {
  const bool own = text.has("torch_dtype") || text.has("dtype");
  Precision precision = uniform(read_base(own ? text : config));
  constexpr std::string_view kTypes[] = {"torch_dtype", "dtype"};
  config.ignore(kTypes);
  text.ignore(kTypes);
  const auto quantization = config.find("quantization_config");
  if (!quantization) {
    return precision;
  }
  const Config method = quantization->at("quant_method");
  const std::string wanted = method.string();
  std::vector<std::string> names;
  for (const auto& [name, read] : kMethods) {
    names.emplace_back(name);
    if (name == wanted) {
      read(*quantization, layers, precision);
      return precision;
    }
  }
  method.fail(fmt::format("unknown quant_method '{}'{}", printable(wanted), suggest(wanted, names)));
}

}  // namespace moesaic::huggingface
