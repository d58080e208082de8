#include "model/precision.hpp"

#include <fmt/format.h>

#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr double kNvfp4Bits = 4.5;

DType arithmetic_for(StorageType type) {
  switch (type.dtype) {
    case DType::fp8: return DType::fp8;
    case DType::int8: return type.bits >= 8 ? DType::int8 : DType::bf16;
    case DType::fp4: return type.bits == kNvfp4Bits ? DType::fp4 : DType::bf16;
    case DType::fp6:
    case DType::int4: return DType::bf16;
    default: return type.dtype;
  }
}

}  // namespace

Precision with_weights(Precision precision, StorageType type) {
  precision.attention_weights = precision.dense_weights = precision.expert_weights = type;
  precision.attention_arithmetic = precision.dense_arithmetic = precision.expert_arithmetic = arithmetic_for(type);
  return precision;
}

Precision parse_precision(std::string_view text, Precision base) {
  const std::vector<std::string> keys = {"weights", "attention", "dense", "experts", "embedding",
                                         "activations", "kv", "state"};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size() == rest.size() ? item.size() : item.size() + 1);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) {
      throw UserError(fmt::format("--dtype: '{}' has no '='; write for example weights=fp8,kv=bf16", item));
    }
    const std::string_view key = item.substr(0, equals);
    const StorageType type = parse_storage_type(item.substr(equals + 1));
    if (key == "weights") {
      base = with_weights(base, type);
    } else if (key == "attention") {
      base.attention_weights = type;
      base.attention_arithmetic = arithmetic_for(type);
    } else if (key == "dense") {
      base.dense_weights = type;
      base.dense_arithmetic = arithmetic_for(type);
    } else if (key == "experts") {
      base.expert_weights = type;
      base.expert_arithmetic = arithmetic_for(type);
    } else if (key == "embedding") {
      base.embedding_weights = type;
      base.embedding_arithmetic = arithmetic_for(type);
    } else if (key == "activations") {
      base.activations = type;
    } else if (key == "kv") {
      base.kv = type;
    } else if (key == "state") {
      base.state = type;
    } else {
      throw UserError(fmt::format("--dtype: unknown tensor class '{}'{}", key, suggest(key, keys)));
    }
  }
  return base;
}

std::string to_text(const Precision& precision) {
  std::string text = "weights=" + to_text(precision.dense_weights);
  const auto differing = [&](const char* key, StorageType type) {
    if (!(type == precision.dense_weights)) {
      text += fmt::format(",{}={}", key, to_text(type));
    }
  };
  differing("attention", precision.attention_weights);
  differing("experts", precision.expert_weights);
  differing("embedding", precision.embedding_weights);
  return text + ",activations=" + to_text(precision.activations) + ",kv=" + to_text(precision.kv);
}

}  // namespace moesaic
