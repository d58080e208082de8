// Reading Hugging Face configurations: whole files as published, and every family's own rules.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "model/architecture.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {
namespace {

const SoftmaxAttention& softmax(const Architecture& architecture, std::size_t layer) {
  return std::get<SoftmaxAttention>(architecture.layer(layer).attention);
}
const MoeFeedForward& moe(const Architecture& architecture, std::size_t layer) {
  return std::get<MoeFeedForward>(architecture.layer(layer).feed_forward);
}
bool is_moe(const Architecture& architecture, std::size_t layer) {
  return std::holds_alternative<MoeFeedForward>(architecture.layer(layer).feed_forward);
}
std::vector<std::int64_t> windows(const Architecture& architecture) {
  std::vector<std::int64_t> result;
  for (std::size_t layer = 0; layer < architecture.layers.size(); ++layer) {
    result.push_back(softmax(architecture, layer).window);
  }
  return result;
}

TEST(HuggingFace, NameComesFromTheFile) {
  const std::string text = tiny_model("llama", "");
  EXPECT_EQ(read_architecture(Config::parse(text, "a/b/org--some-model.json")).name, "org/some-model");
  EXPECT_EQ(read_architecture(Config::parse(text, "models/Some-Model/config.json")).name, "Some-Model");
  EXPECT_EQ(read_architecture(Config::parse(text, "config.json")).name, "config");
}

TEST(HuggingFace, WholeLlamaConfig) {
  const Architecture llama = read_model(R"({
    "_name_or_path": "meta-llama/Llama-3.1-8B", "architectures": ["LlamaForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": null,
    "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
    "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "transformers_version": "4.43.0.dev0", "use_cache": true, "vocab_size": 128256})");
  EXPECT_EQ(count_parameters(llama).total, 8029995008);
  EXPECT_EQ(llama.max_context, 131072);
  EXPECT_FALSE(llama.tied_embeddings);
}

TEST(HuggingFace, WholeQwenMoeConfig) {
  const Architecture qwen = read_model(R"({
    "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
    "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
    "initializer_range": 0.02, "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
    "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true,
    "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
    "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
    "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
    "vocab_size": 151936})");
  EXPECT_EQ(count_parameters(qwen).total, 30531911680);
}

TEST(HuggingFace, WholeDeepSeekConfig) {
  const Architecture deepseek = read_model(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"}, "aux_loss_alpha": 0.001, "bos_token_id": 0,
    "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 3, "hidden_act": "silu", "hidden_size": 7168,
    "initializer_range": 0.02, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
    "model_type": "deepseek_v3", "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8,
    "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 128,
    "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
    "pretraining_tp": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "qk_head_dim": 192,
    "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                            "weight_block_size": [128, 128]},
    "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "type": "yarn"}, "rope_theta": 10000,
    "rope_interleave": true, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "seq_aux": true,
    "tie_word_embeddings": false, "topk_group": 4, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
    "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 128, "vocab_size": 129280})");
  EXPECT_EQ(count_parameters(deepseek).total, 671025397760);
  EXPECT_EQ(moe(deepseek, 3).groups, 8);
  EXPECT_EQ(moe(deepseek, 3).node_limit, 4);
}

TEST(HuggingFace, WholeLlama4Config) {
  const Architecture scout = read_model(R"({
    "architectures": ["Llama4ForConditionalGeneration"], "boi_token_index": 200080, "eoi_token_index": 200081,
    "image_token_index": 200092, "model_type": "llama4", "tie_word_embeddings": false,
    "text_config": {"_attn_implementation_autoset": true, "attention_bias": false, "attention_chunk_size": 8192,
      "attention_dropout": 0.0, "attn_scale": 0.1, "attn_temperature_tuning": 4, "bos_token_id": 200000,
      "cache_implementation": "hybrid", "eos_token_id": [200001], "floor_scale": 8192, "for_llm_compressor": false,
      "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02,
      "interleave_moe_layer_step": 1, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
      "max_position_embeddings": 10485760, "model_type": "llama4_text", "no_rope_layers": [],
      "num_attention_heads": 40, "num_experts_per_tok": 1, "num_hidden_layers": 48, "num_key_value_heads": 8,
      "num_local_experts": 16, "output_router_logits": false, "pad_token_id": 200018, "rms_norm_eps": 1e-05,
      "rope_scaling": {"factor": 16.0}, "rope_theta": 500000.0, "router_aux_loss_coef": 0.001,
      "router_jitter_noise": 0.0, "torch_dtype": "bfloat16", "use_cache": true, "use_qk_norm": true,
      "vocab_size": 202048},
    "torch_dtype": "bfloat16", "transformers_version": "4.51.0.dev0",
    "vision_config": {"hidden_size": 1408, "num_hidden_layers": 34, "patch_size": 14}})");
  EXPECT_EQ(count_parameters(scout).total, 107769364480);
  EXPECT_EQ(scout.max_context, 10485760);
  EXPECT_EQ(moe(scout, 0).shared_width, 8192);
}

TEST(HuggingFace, WholeGptOssConfig) {
  const Architecture gpt = read_model(R"({
    "architectures": ["GptOssForCausalLM"], "attention_bias": true, "attention_dropout": 0.0, "eos_token_id": 200002,
    "experts_per_token": 4, "head_dim": 64, "hidden_act": "silu", "hidden_size": 2880, "initial_context_length": 4096,
    "initializer_range": 0.02, "intermediate_size": 2880, "max_position_embeddings": 131072, "model_type": "gpt_oss",
    "num_attention_heads": 64, "num_experts_per_tok": 4, "num_hidden_layers": 24, "num_key_value_heads": 8,
    "num_local_experts": 32, "output_router_logits": false, "pad_token_id": 199999,
    "quantization_config": {"modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router",
      "model.embed_tokens", "lm_head"], "quant_method": "mxfp4"},
    "rms_norm_eps": 1e-05, "rope_scaling": {"beta_fast": 32.0, "truncate": false}, "rope_theta": 150000,
    "router_aux_loss_coef": 0.9, "sliding_window": 128, "swiglu_limit": 7.0, "tie_word_embeddings": false,
    "transformers_version": "4.55.0.dev0", "use_cache": true, "vocab_size": 201088})");
  EXPECT_EQ(count_parameters(gpt).total, 20907786240);
  EXPECT_EQ(softmax(gpt, 0).window, 128);
  EXPECT_EQ(softmax(gpt, 1).window, 0);
  EXPECT_TRUE(softmax(gpt, 0).projection_bias && softmax(gpt, 0).output_bias && moe(gpt, 0).bias);
}

TEST(HuggingFace, OldDefaultsAreHarmless) {
  EXPECT_NO_THROW(
      read_model(tiny_model("llama", R"("temperature": 1.0, "top_k": 50, "num_beams": 1, "id2label": {"0": "A"},
      "return_dict": true, "chunk_size_feed_forward": 0, "torchscript": false, "pruned_heads": {},
      "max_length": 20)")));
}

TEST(HuggingFace, Windows) {
  using Windows = std::vector<std::int64_t>;
  EXPECT_EQ(windows(read_model(tiny_model("mistral", R"("sliding_window": 4096)"))), (Windows{4096, 4096, 4096, 4096}));
  EXPECT_EQ(windows(read_model(tiny_model("mistral", R"("sliding_window": null)"))), (Windows{0, 0, 0, 0}));
  EXPECT_EQ(windows(read_model(tiny_model("mixtral", kLocalExperts + R"(, "sliding_window": 64)"))),
            (Windows{64, 64, 64, 64}));
  EXPECT_EQ(windows(read_model(tiny_model("phimoe", kLocalExperts + R"(, "sliding_window": 64)"))),
            (Windows{64, 64, 64, 64}));
  const std::string unused = R"("sliding_window": 64, "use_sliding_window": false, "max_window_layers": 1)";
  EXPECT_EQ(windows(read_model(tiny_model("qwen2", unused))), (Windows{0, 0, 0, 0}));
  const std::string used = R"("sliding_window": 64, "use_sliding_window": true, "max_window_layers": 3)";
  EXPECT_EQ(windows(read_model(tiny_model("qwen2", used))), (Windows{0, 0, 0, 64}));
  EXPECT_EQ(windows(read_model(tiny_model("qwen3_moe", kExperts + ", " + used))), (Windows{0, 0, 0, 64}));
  const std::string types =
      R"(, "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"])";
  EXPECT_EQ(windows(read_model(tiny_model("qwen3", used + types))), (Windows{64, 0, 0, 64}));
  EXPECT_EQ(windows(read_model(tiny_model("gpt_oss", kLocalExperts + R"(, "sliding_window": 64)"))),
            (Windows{64, 0, 64, 0}));
  EXPECT_EQ(windows(read_model(tiny_model("gpt_oss", kLocalExperts + R"(, "sliding_window": 64)" + types))),
            (Windows{64, 0, 0, 64}));
}

TEST(HuggingFace, Llama4Layers) {
  const auto text = [](const std::string& more) {
    return R"({"model_type": "llama4", "text_config": )" +
           tiny_model("llama4_text",
                      kLocalExperts + R"(, "intermediate_size_mlp": 256, "attention_chunk_size": 32)" + more) +
           "}";
  };
  using Windows = std::vector<std::int64_t>;
  EXPECT_EQ(windows(read_model(text(""))), (Windows{32, 32, 32, 0}));
  EXPECT_TRUE(softmax(read_model(text("")), 0).chunked);
  EXPECT_EQ(windows(read_model(text(R"(, "no_rope_layers": [0, 1, 0, 1])"))), (Windows{0, 32, 0, 32}));
  EXPECT_EQ(windows(read_model(text(R"(, "no_rope_layer_interval": 2)"))), (Windows{32, 0, 32, 0}));
  EXPECT_EQ(windows(read_model(text(R"(, "layer_types": ["full_attention", "full_attention", "full_attention",
                                 "chunked_attention"])"))),
            (Windows{0, 0, 0, 32}));
  const Architecture alternate = read_model(text(R"(, "interleave_moe_layer_step": 2)"));
  EXPECT_FALSE(is_moe(alternate, 0));
  EXPECT_TRUE(is_moe(alternate, 1));
  EXPECT_EQ(std::get<DenseFeedForward>(alternate.layer(0).feed_forward).width, 256);
  const Architecture listed = read_model(text(R"(, "moe_layers": [0])"));
  EXPECT_TRUE(is_moe(listed, 0));
  EXPECT_FALSE(is_moe(listed, 1));
}

TEST(HuggingFace, WhichLayersAreMixtures) {
  const auto flags = [](const Architecture& architecture) {
    std::vector<bool> result;
    for (std::size_t layer = 0; layer < architecture.layers.size(); ++layer) {
      result.push_back(is_moe(architecture, layer));
    }
    return result;
  };
  using Flags = std::vector<bool>;
  EXPECT_EQ(flags(read_model(tiny_model("qwen2_moe", kExperts + R"(, "decoder_sparse_step": 2)"))),
            (Flags{false, true, false, true}));
  EXPECT_EQ(flags(read_model(tiny_model("qwen3_moe", kExperts + R"(, "mlp_only_layers": [0, 3])"))),
            (Flags{false, true, true, false}));
  EXPECT_EQ(
      flags(read_model(tiny_model("deepseek_v2", kLatent + R"(, "first_k_dense_replace": 1, "moe_layer_freq": 2)"))),
      (Flags{false, false, true, false}));
  EXPECT_EQ(flags(read_model(tiny_model("deepseek_v3", kLatent + R"(, "moe_layer_freq": [0, 1, 1, 0])"))),
            (Flags{false, true, true, false}));
  const std::string experts = R"("n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32)";
  EXPECT_EQ(flags(read_model(tiny_model("glm4_moe", experts + R"(, "first_k_dense_replace": 2)"))),
            (Flags{false, false, true, true}));
  EXPECT_EQ(flags(read_model(tiny_model("deepseek", R"("n_routed_experts": null)"))),
            (Flags{false, false, false, false}));
}

TEST(HuggingFace, NodeLimitedRouting) {
  const auto limits = [](const std::string& more) {
    const MoeFeedForward feed_forward = moe(read_model(tiny_model("deepseek_v2", kLatent + ", " + more)), 0);
    return std::pair{feed_forward.groups, feed_forward.node_limit};
  };
  using Limits = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(limits(R"("n_group": 4, "topk_group": 3, "topk_method": "group_limited_greedy")"), (Limits{4, 3}));
  EXPECT_EQ(limits(R"("n_group": 4, "topk_group": 3, "topk_method": "greedy")"), (Limits{0, 0}));
  EXPECT_EQ(limits(R"("n_group": 1, "topk_group": 1)"), (Limits{0, 0}));
}

TEST(HuggingFace, SharedExperts) {
  EXPECT_EQ(moe(read_model(tiny_model("deepseek_v3", kLatent + R"(, "n_shared_experts": 2)")), 0).shared_width, 64);
  const MoeFeedForward qwen =
      moe(read_model(tiny_model("qwen2_moe", kExperts + R"(, "shared_expert_intermediate_size": 96)")), 0);
  EXPECT_EQ(qwen.shared_width, 96);
  EXPECT_TRUE(qwen.shared_gate);
  EXPECT_FALSE(moe(read_model(tiny_model("qwen3_moe", kExperts)), 0).shared_gate);
}

TEST(HuggingFace, LinearLayers) {
  const std::string linear = kExperts + R"(, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
      "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4)";
  const auto is_linear = [](const Architecture& architecture, std::size_t layer) {
    return !std::holds_alternative<SoftmaxAttention>(architecture.layer(layer).attention);
  };
  const Architecture next = read_model(tiny_model("qwen3_next", linear));
  EXPECT_TRUE(is_linear(next, 0) && is_linear(next, 1) && is_linear(next, 2) && !is_linear(next, 3));
  EXPECT_TRUE(softmax(next, 3).output_gate);
  const Architecture interval = read_model(tiny_model("qwen3_next", linear + R"(, "full_attention_interval": 2)"));
  EXPECT_TRUE(is_linear(interval, 0) && !is_linear(interval, 1));
  const Architecture old = read_model(tiny_model("minimax_m1", kLocalExperts + R"(, "attn_type_list": [1, 0, 0, 1])"));
  EXPECT_TRUE(!is_linear(old, 0) && is_linear(old, 1) && is_linear(old, 2) && !is_linear(old, 3));
  const Architecture native = read_model(tiny_model("minimax", kLocalExperts + R"(, "block_size": 128, "layer_types":
      ["linear_attention", "full_attention", "linear_attention", "full_attention"])"));
  EXPECT_TRUE(is_linear(native, 0) && !is_linear(native, 1));
  EXPECT_EQ(std::get<LightningAttention>(native.layer(0).attention).block, 128);
}

// Duplex (arXiv:2409.01141), table I: a GLaM of 143B, which two matrices in every layer give.
TEST(HuggingFace, DenseLayersOfGlamMayBeUngated) {
  const auto glam = [](const std::string& more) {
    return count_parameters(
        read_model(R"({"num_layers": 32, "d_model": 4096, "d_ff": 16384, "n_heads": 32, "d_head": 128,
        "num_experts": 64, "top_k": 2, "moe_every": 2, "vocab_size": 256000)" +
                   more + "}"));
  };
  EXPECT_NEAR(glam(R"(, "gated_dense": false)").total, 143e9, 0.5e9);
  EXPECT_EQ(glam("").total - glam(R"(, "gated_dense": false)").total, 16.0 * 4096 * 16384);
}

TEST(HuggingFace, OwnNames) {
  const Architecture grok = read_model(R"({"emb_size": 6144, "widening_factor": 8, "key_size": 128, "num_q_heads": 48,
      "num_kv_heads": 8, "num_layers": 2, "num_experts": 8, "num_selected_experts": 2, "vocab_size": 131072})");
  EXPECT_EQ(moe(grok, 0).width, 32768);
  EXPECT_TRUE(grok.tied_embeddings);
  const Architecture jetmoe = read_model(R"({"model_type": "jetmoe", "hidden_size": 64, "num_hidden_layers": 2,
      "num_key_value_heads": 4, "kv_channels": 16, "num_local_experts": 8, "num_experts_per_tok": 2,
      "intermediate_size": 128, "vocab_size": 100})");
  EXPECT_EQ(softmax(jetmoe, 0).heads, 8);
  EXPECT_EQ(softmax(jetmoe, 0).experts, 8);
  // 8 experts of query and output 64 x 64, shared K and V of 64 x 64 each, a router of 64 x 8.
  EXPECT_EQ(attention_matrix_parameters(jetmoe.kinds[0].attention, 64), (8 * 2 + 2) * 64.0 * 64 + 64 * 8);
  EXPECT_EQ(attention_active_parameters(jetmoe.kinds[0].attention, 64), (2 * 2 + 2) * 64.0 * 64 + 64 * 8);
}

}  // namespace
}  // namespace moesaic
