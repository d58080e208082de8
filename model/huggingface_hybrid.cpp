// Networks whose layers differ in attention: gpt-oss, Llama 4, Qwen3-Next and MiniMax.
#include "model/huggingface_common.hpp"

namespace moesaic::huggingface {
namespace {

Architecture read_gpt_oss(const Config& config) {
  constexpr std::string_view kTypes[] = {"full_attention", "sliding_attention"};
  constexpr std::string_view kIgnored[] = {"experts_per_token", "swiglu_alpha"};
  config.ignore(kIgnored);
  Architecture architecture = begin(config, false);
  const std::int64_t layers = read_layer_count(config);
  const bool bias = config.boolean_or("attention_bias", true);
  const SoftmaxAttention full = read_softmax(config, architecture.hidden, {bias, bias});
  SoftmaxAttention sliding = full;
  sliding.window = bounded(config, "sliding_window", kMostTokens);
  MoeFeedForward moe = read_experts(config, "num_local_experts", "num_experts_per_tok", "intermediate_size");
  moe.bias = true;
  const auto types = read_layer_types(config, layers, kTypes);
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer) {
    // Without layer_types every second layer slides, the first included: transformers GptOssConfig.
    const bool windowed = types ? (*types)[layer] == kTypes[1] : layer % 2 == 0;
    add_layer(architecture, {windowed ? sliding : full, moe});
  }
  return architecture;
}

// Which layers of Llama 4 attend in chunks: those with rotary embedding (transformers Llama4TextConfig). The others,
// every fourth unless no_rope_layers says otherwise, see all tokens.
std::vector<bool> read_llama4_chunked(const Config& config, std::int64_t layers) {
  constexpr std::string_view kTypes[] = {"full_attention", "chunked_attention"};
  const std::int64_t interval = bounded_or(config, "no_rope_layer_interval", kMostLayers, 4);
  std::vector<bool> chunked;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    chunked.push_back((layer + 1) % interval != 0);
  }
  const auto rope = config.find("no_rope_layers");
  if (rope && !rope->elements().empty()) {
    chunked = read_layer_flags(*rope, layers);
  }
  if (const auto types = read_layer_types(config, layers, kTypes)) {
    for (std::size_t layer = 0; layer < chunked.size(); ++layer) {
      chunked[layer] = (*types)[layer] == kTypes[1];
    }
  }
  return chunked;
}

std::vector<bool> read_llama4_moe_layers(const Config& config, std::int64_t layers) {
  const std::int64_t step = bounded_or(config, "interleave_moe_layer_step", kMostLayers, 1);
  if (const auto list = config.find("moe_layers")) {
    return read_layer_numbers(*list, layers);
  }
  std::vector<bool> flags;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    flags.push_back((layer + 1) % step == 0);
  }
  return flags;
}

Architecture read_llama4_text(const Config& config) {
  constexpr std::string_view kIgnored[] = {"attn_scale", "attn_temperature_tuning", "floor_scale"};
  config.ignore(kIgnored);
  ignore_harmless(config);
  Architecture architecture = begin(config, false);
  const std::int64_t layers = read_layer_count(config);
  const bool bias = config.boolean_or("attention_bias", false);
  const SoftmaxAttention full = read_softmax(config, architecture.hidden, {bias, bias});
  SoftmaxAttention chunked = full;
  chunked.window = bounded_or_zero(config, "attention_chunk_size", kMostTokens);
  chunked.chunked = chunked.window > 0;
  MoeFeedForward moe = read_experts(config, "num_local_experts", "num_experts_per_tok", "intermediate_size");
  moe.shared_width = moe.width;  // transformers Llama4TextMoe: one shared expert as wide as a routed one
  DenseFeedForward dense;
  dense.width = bounded(config, "intermediate_size_mlp", kMostWidth);
  const std::vector<bool> in_chunks = read_llama4_chunked(config, layers);
  const std::vector<bool> routed = read_llama4_moe_layers(config, layers);
  for (std::size_t layer = 0; layer < in_chunks.size(); ++layer) {
    add_layer(architecture, {in_chunks[layer] ? chunked : full, routed[layer] ? FeedForward(moe) : FeedForward(dense)});
  }
  return architecture;
}

// The text part; the vision encoder is not modelled.
Architecture read_llama4(const Config& config) {
  constexpr std::string_view kIgnored[] = {"vision_config", "boi_token_index", "eoi_token_index", "image_token_index",
                                           "tie_word_embeddings"};
  config.ignore(kIgnored);
  return read_llama4_text(config.at("text_config"));
}

GatedDeltaNet read_delta(const Config& config) {
  GatedDeltaNet delta;
  delta.key_heads = bounded(config, "linear_num_key_heads", kMostHeads);
  delta.value_heads = bounded(config, "linear_num_value_heads", kMostHeads);
  delta.key_dim = bounded(config, "linear_key_head_dim", kMostHeads);
  delta.value_dim = bounded(config, "linear_value_head_dim", kMostHeads);
  delta.conv_kernel = bounded(config, "linear_conv_kernel_dim", kMostHeads);
  require_multiple(config, "linear_num_value_heads", delta.value_heads, delta.key_heads, "linear_num_key_heads");
  return delta;
}

// Full attention is every full_attention_interval-th layer (transformers Qwen3NextConfig); its query projection also
// makes the output gate.
Architecture read_qwen3_next(const Config& config) {
  constexpr std::string_view kTypes[] = {"full_attention", "linear_attention"};
  constexpr std::string_view kIgnored[] = {"use_sliding_window", "max_window_layers"};
  config.ignore(kIgnored);
  Architecture architecture = begin(config, false);
  const std::int64_t layers = read_layer_count(config);
  const bool bias = config.boolean_or("attention_bias", false);
  SoftmaxAttention full = read_softmax(config, architecture.hidden, {bias, bias});
  full.output_gate = true;
  const GatedDeltaNet delta = read_delta(config);
  const auto interval = static_cast<std::size_t>(bounded_or(config, "full_attention_interval", kMostLayers, 4));
  const auto types = read_layer_types(config, layers, kTypes);
  const std::vector<FeedForward> feed_forwards = read_qwen_feed_forwards(config, layers);
  for (std::size_t layer = 0; layer < feed_forwards.size(); ++layer) {
    const bool linear = types ? (*types)[layer] == kTypes[1] : (layer + 1) % interval != 0;
    add_layer(architecture, {linear ? Attention(delta) : Attention(full), feed_forwards[layer]});
  }
  return architecture;
}

// MiniMax writes attn_type_list (0: lightning, 1: softmax); transformers' own MiniMaxConfig writes layer_types.
std::vector<bool> read_minimax_softmax(const Config& config, std::int64_t layers) {
  constexpr std::string_view kTypes[] = {"full_attention", "linear_attention"};
  const auto types = read_layer_types(config, layers, kTypes);
  if (!types) {
    return read_layer_flags(config.at("attn_type_list"), layers);
  }
  std::vector<bool> softmax;
  for (const std::string& type : *types) {
    softmax.push_back(type == kTypes[0]);
  }
  return softmax;
}

Architecture read_minimax(const Config& config) {
  constexpr std::string_view kIgnored[] = {"postnorm",
                                           "shared_moe_mode",
                                           "attn_type_list",
                                           "layernorm_full_attention_alpha",
                                           "layernorm_full_attention_beta",
                                           "layernorm_linear_attention_alpha",
                                           "layernorm_linear_attention_beta",
                                           "layernorm_mlp_alpha",
                                           "layernorm_mlp_beta",
                                           "full_attn_alpha_factor",
                                           "full_attn_beta_factor",
                                           "linear_attn_alpha_factor",
                                           "linear_attn_beta_factor",
                                           "mlp_alpha_factor",
                                           "mlp_beta_factor"};
  config.ignore(kIgnored);
  Architecture architecture = begin(config, false);
  const std::int64_t layers = read_layer_count(config);
  SoftmaxAttention softmax = read_softmax(config, architecture.hidden, {});
  softmax.window = bounded_or_zero(config, "sliding_window", kMostTokens);
  LightningAttention lightning;
  lightning.heads = softmax.heads;
  lightning.head_dim = softmax.qk_dim;
  lightning.block = bounded_or(config, "block_size", kMostHeads, lightning.block);
  MoeFeedForward moe = read_experts(config, "num_local_experts", "num_experts_per_tok", "intermediate_size");
  moe.shared_width = bounded_or_zero(config, "shared_intermediate_size", kMostWidth);
  for (const bool full : read_minimax_softmax(config, layers)) {
    add_layer(architecture, {full ? Attention(softmax) : Attention(lightning), moe});
  }
  return architecture;
}

constexpr Family kHybridFamilies[] = {
    {"gpt_oss", read_gpt_oss},       {"llama4", read_llama4},      {"llama4_text", read_llama4_text},
    {"qwen3_next", read_qwen3_next}, {"minimax_m1", read_minimax}, {"minimax_text_01", read_minimax},
    {"minimax", read_minimax},
};

}  // namespace

std::span<const Family> hybrid_families() { return kHybridFamilies; }

}  // namespace moesaic::huggingface
