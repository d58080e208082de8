// Families that write their sizes under names of their own: DBRX, JetMoE, Grok-1 and GLaM.
#include "model/huggingface_common.hpp"

namespace moesaic::huggingface {
namespace {

SoftmaxAttention grouped(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  SoftmaxAttention attention;
  attention.heads = heads;
  attention.kv_heads = kv_heads;
  attention.qk_dim = head_dim;
  attention.v_dim = head_dim;
  return attention;
}

Architecture read_dbrx(const Config& config) {
  Architecture architecture = begin(config, false, {"d_model", "max_seq_len"});
  const Config attn = config.at("attn_config");
  const Config ffn = config.at("ffn_config");
  const std::int64_t heads = bounded(config, "n_heads", kMostHeads);
  const std::int64_t kv_heads = bounded(attn, "kv_n_heads", kMostHeads);
  require_multiple(config, "n_heads", heads, kv_heads, "attn_config.kv_n_heads");
  require_multiple(config, "d_model", architecture.hidden, heads, "n_heads");
  const SoftmaxAttention attention = grouped(heads, kv_heads, architecture.hidden / heads);
  const MoeFeedForward moe = read_experts(ffn, "moe_num_experts", "moe_top_k", "ffn_hidden_size");
  for (std::int64_t layer = bounded(config, "n_layers", kMostLayers); layer > 0; --layer) {
    add_layer(architecture, {attention, moe});
  }
  constexpr std::string_view kAttentionIgnored[] = {"attn_pdrop", "clip_qkv"};
  constexpr std::string_view kFfnIgnored[] = {"ffn_act_fn", "moe_jitter_eps", "moe_loss_weight",
                                              "moe_normalize_expert_weights", "uniform_expert_assignment"};
  attn.ignore(kAttentionIgnored);
  ffn.ignore(kFfnIgnored);
  ignore_harmless(attn);
  ignore_harmless(ffn);
  return architecture;
}

// JetMoE (arXiv:2404.07413): `top_k` of the attention experts give the query heads, one for each key and value head.
Architecture read_jetmoe(const Config& config) {
  Architecture architecture = begin(config, true);
  const MoeFeedForward moe = [&] {
    MoeFeedForward result = read_experts(config, present(config, {"moe_num_experts", "num_local_experts"}),
                                         present(config, {"moe_top_k", "num_experts_per_tok"}),
                                         present(config, {"ffn_hidden_size", "intermediate_size"}));
    result.matrices = config.boolean_or("glu", true) ? 3 : 2;
    return result;
  }();
  SoftmaxAttention attention =
      grouped(0, bounded(config, "num_key_value_heads", kMostHeads), bounded(config, "kv_channels", kMostHeads));
  attention.heads = width_product(config, "num_key_value_heads", attention.kv_heads, moe.experts_per_token);
  attention.experts = moe.experts;
  attention.experts_per_token = moe.experts_per_token;
  for (std::int64_t layer = read_layer_count(config); layer > 0; --layer) {
    add_layer(architecture, {attention, moe});
  }
  constexpr std::string_view kIgnored[] = {"bias", "n_positions", "num_layers", "num_attention_heads"};
  config.ignore(kIgnored);
  return architecture;
}

// Grok-1 as released: two thirds of widening_factor x emb_size, rounded up to a multiple of 8, is the width of an
// expert, and the output projection is the embedding table (github.com/xai-org/grok-1 model.py, ffn_size, InOutEmbed).
Architecture read_grok(const Config& config) {
  Architecture architecture = begin(config, true, {"emb_size", "sequence_len"});
  const std::int64_t heads = bounded(config, "num_q_heads", kMostHeads);
  const std::int64_t kv_heads = bounded(config, "num_kv_heads", kMostHeads);
  require_multiple(config, "num_q_heads", heads, kv_heads, "num_kv_heads");
  const SoftmaxAttention attention = grouped(heads, kv_heads, bounded(config, "key_size", kMostHeads));
  MoeFeedForward moe = read_experts(config, "num_experts", "num_selected_experts", "widening_factor");
  moe.width = (width_product(config, "widening_factor", moe.width, architecture.hidden) * 2 / 3 + 7) / 8 * 8;
  for (std::int64_t layer = bounded(config, "num_layers", kMostLayers); layer > 0; --layer) {
    add_layer(architecture, {attention, moe});
  }
  constexpr std::string_view kIgnored[] = {"attn_output_multiplier", "output_multiplier_scale",
                                           "embedding_multiplier_scale"};
  config.ignore(kIgnored);
  return architecture;
}

// GLaM (arXiv:2112.06905): every moe_every-th layer is a mixture of two-matrix experts, the others are gated, unless
// "gated_dense" is false; together they give the published active count of 96.6B. The output projection is the
// embedding table.
Architecture read_glam(const Config& config) {
  Architecture architecture = begin(config, true, {"d_model", "max_seq_len"});
  const std::int64_t heads = bounded(config, "n_heads", kMostHeads);
  const SoftmaxAttention attention = grouped(heads, heads, bounded(config, "d_head", kMostHeads));
  DenseFeedForward dense;
  dense.width = bounded(config, "d_ff", kMostWidth);
  dense.matrices = config.boolean_or("gated_dense", true) ? 3 : 2;
  MoeFeedForward moe = read_experts(config, "num_experts", "top_k", "d_ff");
  moe.matrices = 2;
  const std::int64_t period = bounded(config, "moe_every", kMostLayers);
  const std::int64_t layers = bounded(config, "num_layers", kMostLayers);
  for (std::int64_t layer = 1; layer <= layers; ++layer) {
    add_layer(architecture, {attention, layer % period == 0 ? FeedForward(moe) : FeedForward(dense)});
  }
  return architecture;
}

constexpr Family kOwnNameFamilies[] = {
    {"dbrx", read_dbrx},
    {"jetmoe", read_jetmoe},
    {"", read_grok, "widening_factor"},
    {"", read_glam, "moe_every"},
};

}  // namespace

std::span<const Family> own_name_families() { return kOwnNameFamilies; }

}  // namespace moesaic::huggingface
