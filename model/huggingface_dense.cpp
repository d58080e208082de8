// Dense networks: Llama, Mistral, Qwen and OPT.
#include <fmt/format.h>

#include "model/huggingface_common.hpp"

namespace moesaic::huggingface {
namespace {

DenseFeedForward read_gated(const Config& config) {
  DenseFeedForward dense;
  dense.width = bounded(config, "intermediate_size", kMostWidth);
  dense.bias = config.boolean_or("mlp_bias", false);
  return dense;
}

Architecture equal_layers(const Config& config, Bias bias, bool windowed) {
  Architecture architecture = begin(config, false);
  SoftmaxAttention attention = read_softmax(config, architecture.hidden, bias);
  if (windowed) {
    attention.window = bounded_or_zero(config, "sliding_window", kMostTokens);
  }
  const DenseFeedForward feed_forward = read_gated(config);
  for (std::int64_t layer = read_layer_count(config); layer > 0; --layer) {
    add_layer(architecture, {attention, feed_forward});
  }
  return architecture;
}

Architecture read_llama(const Config& config) {
  const bool bias = config.boolean_or("attention_bias", false);
  return equal_layers(config, {bias, bias}, false);
}

Architecture read_mistral(const Config& config) { return equal_layers(config, {}, true); }

Architecture qwen(const Config& config, Bias bias) {
  Architecture architecture = begin(config, false);
  const SoftmaxAttention full = read_softmax(config, architecture.hidden, bias);
  const DenseFeedForward feed_forward = read_gated(config);
  for (const std::int64_t window : read_qwen_windows(config, read_layer_count(config))) {
    SoftmaxAttention attention = full;
    attention.window = window;
    add_layer(architecture, {attention, feed_forward});
  }
  return architecture;
}

Architecture read_qwen2(const Config& config) { return qwen(config, {true, false}); }

Architecture read_qwen3(const Config& config) {
  const bool bias = config.boolean_or("attention_bias", false);
  return qwen(config, {bias, bias});
}

Architecture read_opt(const Config& config) {
  Architecture architecture = begin(config, true);
  // Two rows more than positions: the offset of transformers' OPTLearnedPositionalEmbedding.
  architecture.learned_positions = bounded(config, "max_position_embeddings", kMostWidth) + 2;
  const std::int64_t projected = bounded_or(config, "word_embed_proj_dim", kMostWidth, architecture.hidden);
  if (projected != architecture.hidden) {
    config.at("word_embed_proj_dim")
        .fail(fmt::format("projected embeddings are not supported: expected hidden_size, {}", architecture.hidden));
  }
  const bool bias = config.boolean_or("enable_bias", true);
  const SoftmaxAttention attention = read_softmax(config, architecture.hidden, {bias, bias});
  DenseFeedForward feed_forward;
  feed_forward.width = bounded(config, "ffn_dim", kMostWidth);
  feed_forward.matrices = 2;
  feed_forward.bias = bias;
  for (std::int64_t layer = read_layer_count(config); layer > 0; --layer) {
    add_layer(architecture, {attention, feed_forward});
  }
  constexpr std::string_view kIgnored[] = {"do_layer_norm_before", "layer_norm_elementwise_affine"};
  config.ignore(kIgnored);
  return architecture;
}

constexpr Family kDenseFamilies[] = {
    {"llama", read_llama}, {"mistral", read_mistral}, {"qwen2", read_qwen2}, {"qwen3", read_qwen3}, {"opt", read_opt},
};

}  // namespace

std::span<const Family> dense_families() { return kDenseFamilies; }

}  // namespace moesaic::huggingface
