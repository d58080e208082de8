// Every kind of mistake in a configuration is one line that names the file, the key and what is allowed.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/catalog.hpp"
#include "model/architecture.hpp"
#include "tests/model/model_texts.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

std::string message(const std::string& text) {
  return user_error([&] { return read_model(text); });
}

struct Mistake {
  std::string text;
  std::string expected;  ///< the whole line
};

const std::string kFile = "configs/org--model.json: ";

TEST(HuggingFaceMistakes, EachIsOneLineThatNamesFileAndKey) {
  const std::string layers = R"("layer_types": ["full_attention", "full_attention", "full_attention"])";
  const std::vector<Mistake> mistakes = {
      {"[]", "expected an object, found an array of 0"},
      {"{}", "missing key 'model_type'"},
      {R"({"model_type": 3})", "model_type: expected a string, found 3"},
      {tiny_model("lama", ""), "model_type: unknown model_type 'lama' (did you mean 'llama'?)"},
      {tiny_model("qwen3_mo", ""), "model_type: unknown model_type 'qwen3_mo' (did you mean 'qwen3_moe'?)"},
      {R"({"model_type": "llama"})", "missing key 'hidden_size'"},
      {R"({"model_type": "llama", "hiden_size": 64})",
       "missing key 'hidden_size' (is 'hiden_size' a misspelling of it?)"},
      {tiny_model("llama", R"("head_dim": "x")"), "head_dim: expected an integer, found the string \"x\""},
      {tiny_model("llama", R"("head_dim": -64)"), "head_dim: expected an integer from 0 to 65536, found -64"},
      {tiny_model("llama", R"("head_dim": 2.5)"), "head_dim: expected an integer, found 2.5"},
      {tiny_model("llama", R"("mlp_bias": 1)"), "mlp_bias: expected true or false, found 1"},
      {tiny_model("llama", R"("num_foo_experts": 4)"), "num_foo_experts: unknown key 'num_foo_experts'"},
      {tiny_model("llama", R"("num_local_experts": 4)"), "num_local_experts: unknown key 'num_local_experts'"},
      {tiny_model("opt", R"("ffn_dim": 128, "max_position_embeddings": 64, "word_embed_proj_dim": 32)"),
       "word_embed_proj_dim: projected embeddings are not supported: expected hidden_size, 64"},
      {tiny_model("mixtral", R"("num_local_experts": 2, "num_experts_per_tok": 4)"),
       "num_experts_per_tok: 4 experts a token, but there are 2 (num_local_experts)"},
      {tiny_model("mixtral", R"("num_local_experts": 0, "num_experts_per_tok": 1)"),
       "num_local_experts: expected an integer from 1 to 65536, found 0"},
      {tiny_model("qwen3", layers), "layer_types: expected one entry for each of the 4 layers, found 3"},
      {tiny_model("qwen3", R"("layer_types": ["full_attention", "ful_attention", "full_attention", "full_attention"])"),
       "layer_types.1: unknown layer type 'ful_attention' (did you mean 'full_attention'?)"},
      {tiny_model("qwen3_moe", kExperts + R"(, "mlp_only_layers": [4])"),
       "mlp_only_layers.0: expected an integer from 0 to 3, found 4"},
      {tiny_model("minimax_m1", kLocalExperts), "missing key 'attn_type_list'"},
      {tiny_model("minimax_m1", kLocalExperts + R"(, "attn_type_list": [0, 1, 2, 1])"),
       "attn_type_list.2: expected an integer from 0 to 1, found 2"},
      {tiny_model("deepseek_v3", kLatent + R"(, "n_group": 3)"),
       "n_routed_experts: 8 is not a multiple of 3 (n_group)"},
      {tiny_model("deepseek_v3", kLatent + R"(, "n_group": 4, "topk_group": 5)"),
       "topk_group: 5 groups a token, but there are 4 (n_group)"},
      {R"({"model_type": "llama4"})", "missing key 'text_config'"},
      {R"({"model_type": "llama4", "text_config": {"hidden_size": 64}})", "text_config: missing key 'vocab_size'"},
      {tiny_model("llama", R"("torch_dtype": "bfloat17")"),
       "torch_dtype: unknown data type 'bfloat17' (did you mean 'bfloat16'?)"},
      {tiny_model("llama", R"("quantization_config": {"quant_method": "gpqt"})"),
       "quantization_config.quant_method: unknown quant_method 'gpqt' (did you mean 'gptq'?)"},
      {tiny_model("llama", R"("quantization_config": {})"), "quantization_config: missing key 'quant_method'"},
      {tiny_model("llama", R"("quantization_config": {"quant_method": "fp8", "weight_block_size": [128]})"),
       "quantization_config.weight_block_size: expected the two sides of a block, for example [128, 128]"},
      {tiny_model("llama", R"("quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP5"})"),
       "quantization_config.quant_algo: unknown quant_algo 'NVFP5' (did you mean 'NVFP4'?)"},
      {tiny_model("llama", R"("quantization_config": {"quant_method": "fp8", "ignored_layers": ["foo"]})"),
       "quantization_config.ignored_layers.0: 'foo' names no known part of the network; known: self_attn, mlp, "
       "experts, shared_experts, gate, lm_head, embed_tokens, Linear"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string found = message(mistake.text);
    EXPECT_EQ(found.substr(0, (kFile + mistake.expected).size()), kFile + mistake.expected);
  }
}

TEST(HuggingFaceMistakes, SizesOutOfRange) {
  const auto with = [](const std::string& key, const std::string& value) {
    std::string text = tiny_model("llama", "");
    const std::size_t at = text.find("\"" + key + "\"");
    const std::size_t end = text.find_first_of(",}", at);
    return text.replace(at, end - at, "\"" + key + "\": " + value);
  };
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                          "intermediate_size", "vocab_size"}) {
    for (const char* value : {"0", "-1", "1e18", "9223372036854775807", "-9223372036854775808", "1e300", "1e308", "2.5",
                              "\"64\"", "[64]", "{}", "true"}) {
      const std::string found = message(with(key, value));
      EXPECT_EQ(found.rfind(kFile + key + ": ", 0), 0u) << found;
    }
  }
  EXPECT_EQ(message(with("num_hidden_layers", "10001")),
            kFile + "num_hidden_layers: expected an integer from 1 to 10000, found 10001");
  EXPECT_EQ(message(with("num_key_value_heads", "3")),
            kFile + "num_attention_heads: 4 is not a multiple of 3 (num_key_value_heads)");
  EXPECT_EQ(message(with("num_attention_heads", "6")),
            kFile + "hidden_size: 64 is not a multiple of 6 (num_attention_heads)");
}

TEST(HuggingFaceMistakes, LargestSizesStillCount) {
  const Architecture largest =
      read_model(R"({"model_type": "mixtral", "hidden_size": 16777216, "num_hidden_layers": 10000,
      "num_attention_heads": 65536, "num_key_value_heads": 65536, "head_dim": 65536, "intermediate_size": 16777216,
      "num_local_experts": 65536, "num_experts_per_tok": 65536, "vocab_size": 16777216})");
  EXPECT_TRUE(std::isfinite(count_parameters(largest).total));
  EXPECT_GT(weight_bytes(largest, largest.precision).value, 1e24);
  EXPECT_GT(message(tiny_model("deepseek_v3", R"("kv_lora_rank": 8, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
      "v_head_dim": 16, "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 16777216,
      "n_shared_experts": 65536)"))
                .find("n_shared_experts: 16777216 x 65536 is over the largest width"),
            0u);
}

// A preset of every family with any one value replaced is either read, and then counts, or refused with UserError.
TEST(HuggingFaceMistakes, ReplacedValues) {
  std::size_t read = 0, refused = 0;
  std::set<std::string> families;
  for (const CatalogEntry& entry : list_catalog("models")) {
    const Config config = Config::load(entry.file);
    if (!families.insert(config.string_or("model_type", entry.name)).second) {
      continue;
    }
    for (const std::string& key : config.keys()) {
      for (const char* value : {"null", "0", "1", "-1", "3", "1e18", "0.5", "true", "text", "[]", "[1, 2]", "{}"}) {
        try {
          const Architecture architecture = read_architecture(config.set(key, value));
          const ParameterCount count = count_parameters(architecture);
          EXPECT_TRUE(std::isfinite(count.total) && count.active <= count.total) << entry.name << " " << key << value;
          EXPECT_GT(weight_bytes(architecture, architecture.precision).value, 0) << entry.name << " " << key << value;
          ++read;
        } catch (const UserError& error) {
          EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(read, 1000u);
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace moesaic
