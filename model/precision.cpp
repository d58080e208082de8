#include "model/precision.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr double kNvfp4Bits = 4.5;

DType arithmetic_for(StorageType type) {
  switch (type.dtype) {
    case DType::fp8:
      return DType::fp8;
    case DType::int8:
      return type.bits >= 8 ? DType::int8 : DType::bf16;
    case DType::fp4:
      return type.bits == kNvfp4Bits ? DType::fp4 : DType::bf16;
    case DType::fp6:
    case DType::int4:
      return DType::bf16;
    default:
      return type.dtype;
  }
}

std::map<std::string_view, StorageType> read_choices(std::string_view text) {
  static const std::vector<std::string> kKeys = {"weights",     "attention", "dense", "experts", "embedding",
                                                 "activations", "kv",        "state", "scores"};
  std::map<std::string_view, StorageType> chosen;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size() == rest.size() ? item.size() : item.size() + 1);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) {
      throw UserError(fmt::format("--dtype: '{}' has no '='; write for example weights=fp8,kv=bf16", printable(item)));
    }
    const std::string_view key = item.substr(0, equals);
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      throw UserError(fmt::format("--dtype: unknown tensor class '{}'{}", printable(key), suggest(key, kKeys)));
    }
    try {
      if (!chosen.emplace(key, parse_storage_type(item.substr(equals + 1))).second) {
        throw UserError(fmt::format("'{}' is given twice", key));
      }
    } catch (const UserError& error) {
      throw UserError(fmt::format("--dtype: {}: {}", printable(item), error.what()));
    }
  }
  return chosen;
}

}  // namespace

Precision with_weights(Precision precision, StorageType type) {
  precision.attention_weights = precision.dense_weights = precision.expert_weights = type;
  precision.attention_arithmetic = precision.dense_arithmetic = precision.expert_arithmetic = arithmetic_for(type);
  return precision;
}

Precision parse_precision(std::string_view text, Precision base) {
  struct Class {
    std::string_view key;
    StorageType Precision::*stored;  ///< null of what is never stored
    DType Precision::*arithmetic;    ///< of its products, null where it follows no weights
  };
  constexpr Class kClasses[] = {
      {"attention", &Precision::attention_weights, &Precision::attention_arithmetic},
      {"dense", &Precision::dense_weights, &Precision::dense_arithmetic},
      {"experts", &Precision::expert_weights, &Precision::expert_arithmetic},
      {"embedding", &Precision::embedding_weights, &Precision::embedding_arithmetic},
      {"activations", &Precision::activations, nullptr},
      {"kv", &Precision::kv, nullptr},
      {"state", &Precision::state, nullptr},
      {"scores", nullptr, &Precision::score_arithmetic},
  };
  const std::map<std::string_view, StorageType> chosen = read_choices(text);
  if (const auto weights = chosen.find("weights"); weights != chosen.end()) {
    base = with_weights(base, weights->second);
  }
  for (const Class& tensors : kClasses) {
    if (const auto found = chosen.find(tensors.key); found != chosen.end()) {
      if (tensors.stored != nullptr) {
        base.*tensors.stored = found->second;
      }
      if (tensors.arithmetic != nullptr) {
        base.*tensors.arithmetic = arithmetic_for(found->second);
      }
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
