#include "model/huggingface_modules.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>

#include "base/error.hpp"

namespace moesaic::huggingface {
namespace {

constexpr Parts kNone{};
constexpr Parts kAttention{true, false, false, false};
constexpr Parts kDense{false, true, false, false};
constexpr Parts kExperts{false, false, true, false};
constexpr Parts kFeedForward{false, true, true, false};
constexpr Parts kEmbedding{false, false, false, true};

bool has_any(std::string_view name, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (name.find(word) != name.npos) {
      return true;
    }
  }
  return false;
}

// Lower case, without the escapes and anchors of a pattern.
std::string normalised(std::string_view pattern) {
  std::string name;
  for (const char c : pattern.substr(pattern.starts_with("re:") ? 3 : 0)) {
    if (c != '\\' && c != '^' && c != '$') {
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  while (name.ends_with('*') || name.ends_with('.')) {
    name.pop_back();
  }
  return name;
}

// The number in "layers.N", if the name is of one layer.
std::optional<std::int64_t> layer_of(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  const std::size_t at = name.find(kLayers);
  std::int64_t layer = 0;
  if (at == name.npos) {
    return std::nullopt;
  }
  const char* first = name.data() + at + kLayers.size();
  const auto [end, status] = std::from_chars(first, name.data() + name.size(), layer);
  const bool whole = end == name.data() + name.size() || *end == '.' || *end == '*';
  return status == std::errc{} && whole ? std::optional(layer) : std::nullopt;
}

// One projection stands for attention only if it is among the large ones that every kind of attention has.
Parts attention_parts(std::string_view name) {
  const bool whole = !has_any(name, {"_proj"}) || has_any(name, {"qkv", "q_proj", "q_b_proj", "o_proj", "out_proj"});
  return whole ? kAttention : kNone;
}

Parts feed_forward_parts(std::string_view name) {
  if (has_any(name, {"block_sparse_moe"})) {
    return kExperts;
  }
  return has_any(name, {"_proj", "(gate", "fc1", "fc2"}) ? kDense : kFeedForward;
}

std::optional<Parts> parts_of(std::string_view name) {
  if (has_any(name,
              {"vision", "visual", "multi_modal", "multimodal", "audio", "image", "mtp", "nextn", "eh_proj", "norm",
               "rotary", "router", "shared_expert_gate", "indexer", "conv1d", "in_proj_ba", "sinks", "bias"}) ||
      name.ends_with("gate")) {
    return kNone;  // kept in the base format by every tool, or no part of the text network
  }
  if (has_any(name, {"lm_head", "embed", "wte"})) {
    return kEmbedding;
  }
  if (has_any(name, {"shared_expert"})) {
    return kDense;
  }
  if (has_any(name, {"experts"})) {
    return kExperts;
  }
  if (has_any(name, {"attn", "attention"})) {
    return attention_parts(name);
  }
  if (has_any(name, {"mlp", "feed_forward", "block_sparse_moe", "ffn"})) {
    return feed_forward_parts(name);
  }
  if (has_any(name, {"gate_proj", "up_proj", "down_proj", "gate_up"})) {
    return kFeedForward;
  }
  if (has_any(name,
              {"q_proj", "k_proj", "v_proj", "o_proj", "qkv", "kv_a_proj", "kv_b_proj", "q_a_proj", "q_b_proj"})) {
    return attention_parts(name);
  }
  return name == "linear" || layer_of(name) ? std::optional(kLinearLayers) : std::nullopt;
}

struct Coverage {
  bool everywhere = false;
  std::set<std::int64_t> layers;
};

}  // namespace

Parts covered_parts(const std::vector<Config>& names, std::int64_t layers) {
  constexpr std::array kMembers{&Parts::attention, &Parts::dense, &Parts::experts, &Parts::embedding};
  std::array<Coverage, kMembers.size()> coverage;
  for (const Config& entry : names) {
    const std::string name = normalised(entry.string());
    const auto parts = parts_of(name);
    if (!parts) {
      entry.fail(
          fmt::format("'{}' names no known part of the network; known: self_attn, mlp, experts, shared_experts, "
                      "gate, lm_head, embed_tokens, Linear",
                      printable(entry.string())));
    }
    const auto layer = layer_of(name);
    for (std::size_t i = 0; i < kMembers.size(); ++i) {
      if ((*parts).*kMembers[i] && !layer) {
        coverage[i].everywhere = true;
      } else if ((*parts).*kMembers[i] && *layer < layers) {
        coverage[i].layers.insert(*layer);
      }
    }
  }
  Parts result;
  for (std::size_t i = 0; i < kMembers.size(); ++i) {
    const auto named = static_cast<std::int64_t>(coverage[i].layers.size());
    result.*kMembers[i] = coverage[i].everywhere || (named > 0 && 2 * named >= layers);
  }
  return result;
}

}  // namespace moesaic::huggingface
