// Mixtures of experts whose layers share one kind of attention: Mixtral, Phi, OLMoE, Qwen, GLM and DeepSeek.
#include <fmt/format.h>

#include "model/huggingface_common.hpp"

namespace moesaic::huggingface {
namespace {

Architecture every_layer(const Config& config, const SoftmaxAttention& attention, const MoeFeedForward& moe) {
  Architecture architecture = begin(config, false);
  for (std::int64_t layer = read_layer_count(config); layer > 0; --layer) {
    add_layer(architecture, {attention, moe});
  }
  return architecture;
}

Architecture mixtral_like(const Config& config, Bias bias) {
  SoftmaxAttention attention = read_softmax(config, bounded(config, "hidden_size", kMostWidth), bias);
  attention.window = bounded_or_zero(config, "sliding_window", kMostTokens);
  return every_layer(config, attention,
                     read_experts(config, "num_local_experts", "num_experts_per_tok", "intermediate_size"));
}

Architecture read_mixtral(const Config& config) { return mixtral_like(config, {}); }

Architecture read_phimoe(const Config& config) {
  const bool bias = config.boolean_or("attention_bias", false);
  return mixtral_like(config, {bias, bias});
}

Architecture read_olmoe(const Config& config) {
  constexpr std::string_view kIgnored[] = {"clip_qkv"};
  config.ignore(kIgnored);
  const bool bias = config.boolean_or("attention_bias", false);
  return every_layer(config, read_softmax(config, bounded(config, "hidden_size", kMostWidth), {bias, bias}),
                     read_experts(config, "num_experts", "num_experts_per_tok", "intermediate_size"));
}

Architecture qwen_moe(const Config& config, Bias bias) {
  Architecture architecture = begin(config, false);
  const std::int64_t layers = read_layer_count(config);
  const SoftmaxAttention full = read_softmax(config, architecture.hidden, bias);
  const std::vector<std::int64_t> windows = read_qwen_windows(config, layers);
  const std::vector<FeedForward> feed_forwards = read_qwen_feed_forwards(config, layers);
  for (std::size_t layer = 0; layer < windows.size(); ++layer) {
    SoftmaxAttention attention = full;
    attention.window = windows[layer];
    add_layer(architecture, {attention, feed_forwards[layer]});
  }
  return architecture;
}

Architecture read_qwen2_moe(const Config& config) {
  return qwen_moe(config, {config.boolean_or("qkv_bias", true), false});
}

Architecture read_qwen3_moe(const Config& config) {
  const bool bias = config.boolean_or("attention_bias", false);
  return qwen_moe(config, {bias, bias});
}

// Latent attention of DeepSeek-V2 and its successors. Its biases and per-head sizes of the library are no cost.
LatentAttention read_latent(const Config& config) {
  constexpr std::string_view kIgnored[] = {"attention_bias", "num_key_value_heads", "head_dim", "qk_head_dim",
                                           "indexer_rope_interleave"};
  config.ignore(kIgnored);
  LatentAttention attention;
  attention.heads = bounded(config, "num_attention_heads", kMostHeads);
  attention.q_rank = bounded_or_zero(config, "q_lora_rank", kMostWidth);
  attention.kv_rank = bounded(config, "kv_lora_rank", kMostWidth);
  attention.nope_dim = bounded(config, "qk_nope_head_dim", kMostHeads);
  attention.rope_dim = bounded(config, "qk_rope_head_dim", kMostHeads);
  attention.v_dim = bounded(config, "v_head_dim", kMostHeads);
  return attention;
}

// Node-limited routing: a token's experts lie in `topk_group` of `n_group` groups. DeepSeek-V2's plain "greedy" has
// none.
void read_groups(const Config& config, MoeFeedForward& moe) {
  const std::int64_t groups = bounded_or(config, "n_group", kMostHeads, 1);
  const std::int64_t limit = bounded_or(config, "topk_group", kMostHeads, groups);
  if (config.string_or("topk_method", "") == "greedy" || groups == 1) {
    return;
  }
  require_multiple(config, "n_routed_experts", moe.experts, groups, "n_group");
  if (limit > groups) {
    config.at("topk_group").fail(fmt::format("{} groups a token, but there are {} (n_group)", limit, groups));
  }
  moe.groups = groups;
  moe.node_limit = limit;
}

// moe_layer_freq is a period or one flag a layer.
std::vector<bool> read_moe_layers(const Config& config, std::int64_t layers) {
  const auto frequency = config.find("moe_layer_freq");
  if (frequency && frequency->is_array()) {
    return read_layer_flags(*frequency, layers);
  }
  const std::int64_t period = bounded_or(config, "moe_layer_freq", kMostLayers, 1);
  const std::int64_t dense = bounded_or_zero(config, "first_k_dense_replace", kMostLayers);
  std::vector<bool> flags;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    flags.push_back(layer >= dense && layer % period == 0);
  }
  return flags;
}

Architecture deepseek_layers(const Config& config, const Attention& attention) {
  Architecture architecture = begin(config, false);
  const std::int64_t layers = read_layer_count(config);
  DenseFeedForward dense;
  dense.width = bounded(config, "intermediate_size", kMostWidth);
  MoeFeedForward moe;
  std::vector<bool> flags(static_cast<std::size_t>(layers), false);
  if (config.has("n_routed_experts")) {
    moe = read_experts(config, "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size");
    if (const std::int64_t shared = bounded_or_zero(config, "n_shared_experts", kMostHeads); shared > 0) {
      moe.shared_width = width_product(config, "n_shared_experts", moe.width, shared);
    }
    read_groups(config, moe);
    flags = read_moe_layers(config, layers);
  }
  for (const bool routed : flags) {
    add_layer(architecture, {attention, routed ? FeedForward(moe) : FeedForward(dense)});
  }
  return architecture;
}

Architecture read_softmax_deepseek(const Config& config, Bias bias) {
  return deepseek_layers(config, read_softmax(config, bounded(config, "hidden_size", kMostWidth), bias));
}

Architecture read_deepseek(const Config& config) {
  const bool bias = config.boolean_or("attention_bias", false);
  return read_softmax_deepseek(config, {bias, bias});
}

Architecture read_glm4_moe(const Config& config) {
  return read_softmax_deepseek(config, {config.boolean_or("attention_bias", false), false});
}

Architecture read_deepseek_latent(const Config& config) { return deepseek_layers(config, read_latent(config)); }

Architecture read_deepseek_v32(const Config& config) {
  LatentAttention attention = read_latent(config);
  attention.indexer.heads = bounded(config, "index_n_heads", kMostHeads);
  attention.indexer.dim = bounded(config, "index_head_dim", kMostHeads);
  attention.indexer.top_k = bounded(config, "index_topk", kMostTokens);
  return deepseek_layers(config, attention);
}

constexpr Family kMoeFamilies[] = {
    {"mixtral", read_mixtral},
    {"phimoe", read_phimoe},
    {"olmoe", read_olmoe},
    {"qwen2_moe", read_qwen2_moe},
    {"qwen3_moe", read_qwen3_moe},
    {"glm4_moe", read_glm4_moe},
    {"deepseek", read_deepseek},
    {"deepseek_v2", read_deepseek_latent},
    {"deepseek_v3", read_deepseek_latent},
    {"deepseek_v32", read_deepseek_v32},
    {"kimi_k2", read_deepseek_latent},
};

}  // namespace

std::span<const Family> moe_families() { return kMoeFamilies; }

}  // namespace moesaic::huggingface
