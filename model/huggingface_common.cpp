#include "model/huggingface_common.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.hpp"

namespace moesaic::huggingface {
namespace {

std::int64_t in_range(const Config& value, std::int64_t least, std::int64_t most) {
  const std::int64_t number = value.integer();
  if (number < least || number > most) {
    value.fail(fmt::format("expected an integer from {} to {}, found {}", least, most, number));
  }
  return number;
}

std::vector<Config> one_per_layer(const Config& list, std::int64_t layers) {
  std::vector<Config> entries = list.elements();
  if (static_cast<std::int64_t>(entries.size()) != layers) {
    list.fail(fmt::format("expected one entry for each of the {} layers, found {}", layers, entries.size()));
  }
  return entries;
}

}  // namespace

std::int64_t bounded(const Config& config, std::string_view key, std::int64_t most) {
  return in_range(config.at(key), 1, most);
}

std::int64_t bounded_or(const Config& config, std::string_view key, std::int64_t most, std::int64_t fallback) {
  const auto value = config.find(key);
  return value ? in_range(*value, 1, most) : fallback;
}

std::int64_t bounded_or_zero(const Config& config, std::string_view key, std::int64_t most) {
  const auto value = config.find(key);
  return value ? in_range(*value, 0, most) : 0;
}

std::string_view present(const Config& config, std::initializer_list<std::string_view> keys) {
  std::string_view chosen = *keys.begin();
  for (auto key = std::rbegin(keys); key != std::rend(keys); ++key) {
    chosen = config.has(*key) ? *key : chosen;
  }
  return chosen;
}

Architecture begin(const Config& config, bool tied, const Names& names) {
  Architecture architecture;
  architecture.hidden = bounded(config, names.hidden, kMostWidth);
  architecture.vocabulary = bounded(config, names.vocabulary, kMostWidth);
  architecture.max_context = bounded_or_zero(config, names.positions, kMostTokens);
  architecture.tied_embeddings = config.boolean_or("tie_word_embeddings", tied);
  return architecture;
}

std::int64_t read_layer_count(const Config& config) { return bounded(config, "num_hidden_layers", kMostLayers); }

void add_layer(Architecture& architecture, const LayerKind& kind) {
  auto& kinds = architecture.kinds;
  const auto found = std::find(kinds.begin(), kinds.end(), kind);
  architecture.layers.push_back(static_cast<int>(found - kinds.begin()));
  if (found == kinds.end()) {
    kinds.push_back(kind);
  }
}

void require_multiple(const Config& config, std::string_view key, std::int64_t value, std::int64_t divisor,
                      std::string_view divisor_key) {
  if (value % divisor != 0) {
    config.at(key).fail(fmt::format("{} is not a multiple of {} ({})", value, divisor, divisor_key));
  }
}

SoftmaxAttention read_softmax(const Config& config, std::int64_t hidden, Bias bias) {
  SoftmaxAttention attention;
  attention.heads = bounded(config, "num_attention_heads", kMostHeads);
  attention.kv_heads = bounded_or(config, "num_key_value_heads", kMostHeads, attention.heads);
  require_multiple(config, "num_attention_heads", attention.heads, attention.kv_heads, "num_key_value_heads");
  attention.qk_dim = bounded_or_zero(config, "head_dim", kMostHeads);
  if (attention.qk_dim == 0) {
    require_multiple(config, "hidden_size", hidden, attention.heads, "num_attention_heads");
    attention.qk_dim = hidden / attention.heads;
  }
  attention.v_dim = attention.qk_dim;
  attention.projection_bias = bias.projections;
  attention.output_bias = bias.output;
  return attention;
}

std::int64_t width_product(const Config& config, std::string_view key, std::int64_t a, std::int64_t b) {
  if (a * b > kMostWidth) {
    config.at(key).fail(fmt::format("{} x {} is over the largest width, {}", a, b, kMostWidth));
  }
  return a * b;
}

MoeFeedForward read_experts(const Config& config, std::string_view experts, std::string_view per_token,
                            std::string_view width) {
  MoeFeedForward moe;
  moe.experts = bounded(config, experts, kMostHeads);
  moe.experts_per_token = bounded(config, per_token, kMostHeads);
  if (moe.experts_per_token > moe.experts) {
    config.at(per_token).fail(
        fmt::format("{} experts a token, but there are {} ({})", moe.experts_per_token, moe.experts, experts));
  }
  moe.width = bounded(config, width, kMostWidth);
  return moe;
}

std::optional<std::vector<std::string>> read_layer_types(const Config& config, std::int64_t layers,
                                                         std::span<const std::string_view> allowed) {
  const auto list = config.find("layer_types");
  if (!list) {
    return std::nullopt;
  }
  std::vector<std::string> types;
  for (const Config& entry : one_per_layer(*list, layers)) {
    types.push_back(entry.string());
    if (std::find(allowed.begin(), allowed.end(), types.back()) == allowed.end()) {
      const std::vector<std::string> names(allowed.begin(), allowed.end());
      entry.fail(fmt::format("unknown layer type '{}'{}", types.back(), suggest(types.back(), names)));
    }
  }
  return types;
}

std::vector<std::int64_t> read_qwen_windows(const Config& config, std::int64_t layers) {
  constexpr std::string_view kTypes[] = {"full_attention", "sliding_attention"};
  const std::int64_t window = bounded_or_zero(config, "sliding_window", kMostTokens);
  const bool used = config.boolean_or("use_sliding_window", false);
  const auto types = read_layer_types(config, layers, kTypes);
  const std::int64_t full = config.non_negative_or("max_window_layers", 28);  // default of transformers Qwen2Config
  std::vector<std::int64_t> windows(static_cast<std::size_t>(layers), 0);
  for (std::size_t layer = 0; used && layer < windows.size(); ++layer) {
    const bool sliding = types ? (*types)[layer] == kTypes[1] : static_cast<std::int64_t>(layer) >= full;
    windows[layer] = sliding ? window : 0;
  }
  return windows;
}

std::vector<FeedForward> read_qwen_feed_forwards(const Config& config, std::int64_t layers) {
  MoeFeedForward moe = read_experts(config, "num_experts", "num_experts_per_tok", "moe_intermediate_size");
  moe.shared_width = bounded_or_zero(config, "shared_expert_intermediate_size", kMostWidth);
  moe.shared_gate = moe.shared_width > 0;
  const std::int64_t step = bounded_or(config, "decoder_sparse_step", kMostLayers, 1);
  std::vector<bool> dense(static_cast<std::size_t>(layers), false);
  if (const auto only = config.find("mlp_only_layers")) {
    dense = read_layer_numbers(*only, layers);
  }
  constexpr std::string_view kWidth[] = {"intermediate_size"};
  config.ignore(kWidth);  // of dense layers, of which there may be none
  std::vector<FeedForward> feed_forwards;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    if (dense[static_cast<std::size_t>(layer)] || (layer + 1) % step != 0) {
      feed_forwards.emplace_back(DenseFeedForward{bounded(config, "intermediate_size", kMostWidth)});
    } else {
      feed_forwards.emplace_back(moe);
    }
  }
  return feed_forwards;
}

std::vector<bool> read_layer_flags(const Config& list, std::int64_t layers) {
  std::vector<bool> flags;
  for (const Config& entry : one_per_layer(list, layers)) {
    flags.push_back(entry.is_boolean() ? entry.boolean() : in_range(entry, 0, 1) == 1);
  }
  return flags;
}

std::vector<bool> read_layer_numbers(const Config& list, std::int64_t layers) {
  std::vector<bool> flags(static_cast<std::size_t>(layers), false);
  for (const Config& entry : list.elements()) {
    flags[static_cast<std::size_t>(in_range(entry, 0, layers - 1))] = true;
  }
  return flags;
}

}  // namespace moesaic::huggingface
