// How torch_dtype and every quant_method set the formats of a network.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/architecture.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {
namespace {

struct Quantized {
  const char* config;  ///< quantization_config
  const char* attention;
  const char* experts;
  DType attention_arithmetic, expert_arithmetic;
  const char* kv = "bf16";
};

constexpr DType kBase = DType::bf16;

TEST(HuggingFacePrecision, Methods) {
  const std::vector<Quantized> cases = {
      {R"({"quant_method": "fp8", "weight_block_size": [128, 128]})", "fp8-block", "fp8-block", DType::fp8, DType::fp8},
      {R"({"quant_method": "fp8", "weight_block_size": null, "ignored_layers": ["lm_head"]})", "fp8", "fp8", DType::fp8,
       DType::fp8},
      {R"({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert":
          ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.o_proj", "model.layers.2.self_attn.o_proj",
           "vision_model", "lm_head", "model.layers.3.mlp.gate", "model.layers.0.input_layernorm"]})",
       "bf16", "fp8", kBase, DType::fp8},
      {R"({"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.embed_tokens"]})",
       "bf16", "mxfp4", kBase, kBase},
      {R"({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": false, "sym": true})", "int4", "int4",
       kBase, kBase},
      {R"({"quant_method": "gptq", "bits": 8, "group_size": -1})", "int8", "int8", kBase, kBase},
      {R"({"quant_method": "awq", "w_bit": 4, "q_group_size": 64, "version": "gemm", "zero_point": true,
          "modules_to_not_convert": ["mlp.gate"]})",
       "int4-g64", "int4-g64", kBase, kBase},
      {R"({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4",
          "llm_int8_skip_modules": null})",
       "4.5bit", "4.5bit", kBase, kBase},
      {R"({"quant_method": "bitsandbytes", "load_in_8bit": true})", "int8", "int8", DType::int8, DType::int8},
      {R"({"quant_method": "bitsandbytes", "load_in_8bit": false})", "bf16", "bf16", kBase, kBase},
      {R"({"quant_method": "compressed-tensors", "format": "float-quantized", "ignore": ["lm_head", "re:.*mlp.gate$"],
          "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float",
          "strategy": "channel", "group_size": null, "symmetric": true}, "input_activations": {"num_bits": 8,
          "type": "float", "strategy": "token", "dynamic": true}}}, "kv_cache_scheme": {"num_bits": 8,
          "type": "float", "strategy": "tensor"}})",
       "fp8", "fp8", DType::fp8, DType::fp8, "fp8"},
      {R"({"quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*",
          "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"], "config_groups": {"group_0": {"targets": ["Linear"],
          "weights": {"num_bits": 4, "type": "int", "group_size": 32, "symmetric": true, "actorder": null},
          "input_activations": null}}})",
       "bf16", "4.5bit", kBase, kBase},
      {R"({"quant_method": "compressed-tensors", "ignore": [], "config_groups": {
          "a": {"targets": ["re:.*self_attn.(o_proj|q_b_proj).*"], "weights": {"num_bits": 8, "type": "float",
                "block_structure": [128, 128]}, "input_activations": {"num_bits": 8, "type": "float",
                "group_size": 128}},
          "b": {"targets": ["re:.*mlp.experts.*"], "weights": {"num_bits": 4, "type": "float", "group_size": 16},
                "input_activations": {"num_bits": 4, "type": "float", "dynamic": "local", "group_size": 16}}}})",
       "fp8-block", "nvfp4", DType::fp8, DType::fp4},
      {R"({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8},
          "input_activations": {"num_bits": 8}}}})",
       "int8", "int8", DType::int8, DType::int8},
      {R"({"quant_method": "modelopt", "quant_algo": "NVFP4", "producer": {"name": "modelopt"}, "group_size": 16,
          "kv_cache_quant_algo": "FP8", "exclude_modules":
          ["model.layers.*.self_attn*", "lm_head", "model.layers.9*"]})",
       "bf16", "nvfp4", kBase, DType::fp4, "fp8"},
      {R"({"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]})", "fp8", "fp8", DType::fp8,
       DType::fp8},
  };
  for (const Quantized& expected : cases) {
    const Architecture network =
        read_model(tiny_model("mixtral", kLocalExperts + R"(, "quantization_config": )" + expected.config));
    const Precision& precision = network.precision;
    EXPECT_EQ(to_text(precision.attention_weights), expected.attention) << expected.config;
    EXPECT_EQ(to_text(precision.expert_weights), expected.experts) << expected.config;
    EXPECT_EQ(precision.attention_arithmetic, expected.attention_arithmetic) << expected.config;
    EXPECT_EQ(precision.expert_arithmetic, expected.expert_arithmetic) << expected.config;
    EXPECT_EQ(to_text(precision.kv), expected.kv) << expected.config;
    EXPECT_EQ(to_text(precision.embedding_weights), "bf16") << expected.config;
    EXPECT_EQ(to_text(precision.router_weights), "bf16") << expected.config;
    EXPECT_EQ(precision.score_arithmetic, kBase) << expected.config;
  }
}

TEST(HuggingFacePrecision, BaseType) {
  const auto base = [](const std::string& more) { return read_model(tiny_model("llama", more)).precision; };
  EXPECT_EQ(base("").attention_weights, (StorageType{DType::bf16, 16}));
  EXPECT_EQ(base(R"("torch_dtype": null)").kv, (StorageType{DType::bf16, 16}));
  EXPECT_EQ(base(R"("torch_dtype": "float16")").activations, (StorageType{DType::fp16, 16}));
  EXPECT_EQ(base(R"("dtype": "float32")").score_arithmetic, DType::fp32);
  EXPECT_EQ(base(R"("dtype": "torch.bfloat16")").state, (StorageType{DType::fp32, 32}));
  const std::string nested =
      R"({"model_type": "llama4", "torch_dtype": "bfloat16", "text_config": )" +
      tiny_model("llama4_text", kLocalExperts + R"(, "intermediate_size_mlp": 64, "dtype": "float16")") + "}";
  EXPECT_EQ(read_model(nested).precision.kv, (StorageType{DType::fp16, 16}));
}

}  // namespace
}  // namespace moesaic
