// unit: published profiles of layers, read from small tables as their sources write them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "calibrate/measured_step.hpp"
#include "calibrate/measured_step_tables.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;
using Labels = std::vector<std::string>;

/// What is read from a folder whose only table is this one.
MeasuredSteps read_table(const std::string& file, const std::string& text) {
  const fs::path folder = fs::path(testing::TempDir()) / "moesaic-measured-layers" /
                          testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(folder);
  fs::create_directories((folder / file).parent_path());
  std::ofstream(folder / file) << text;
  MeasuredSteps steps = read_measured_steps(folder);
  fs::remove_all(folder);
  return steps;
}

double microseconds(const MeasuredStep& step) { return step.measured.value * 1e6; }

std::size_t left_out(const MeasuredSteps& steps) {
  std::size_t rows = 0;
  for (const auto& [why, count] : steps.left_out) {
    rows += count;
  }
  return rows;
}

constexpr const char* kVidur =
    "gpu,model,tp,num_tokens,n_head,n_kv_head,n_embd,n_expanded_embd,vocab_size,use_gated_mlp,emb_us,"
    "input_layernorm_us,attn_pre_proj_us,attn_rope_us,attn_post_proj_us,post_attention_layernorm_us,mlp_up_proj_us,"
    "mlp_act_us,mlp_down_proj_us,add_us\n"
    "a100_80gb,Llama-2-70b-hf,8,64,64,8,8192,28672,32768,True,9.0,7.0,23.0,3.0,17.0,7.5,81.0,4.0,45.0,3.0\n"
    "h100_80gb,Meta-Llama-3-8B,1,1,32,8,4096,14336,128256,True,2.0,6.0,63.0,4.0,48.0,6.0,311.0,15.0,171.0,1.0\n"
    "a40,phi-2,1,1,32,32,2560,10240,51200,False,2.0,6.0,63.0,4.0,48.0,,311.0,15.0,171.0,1.0\n"
    "a40,Llama-2-7b-hf,1,none,32,32,4096,11008,32768,True,2.0,6.0,63.0,4.0,48.0,6.0,311.0,15.0,171.0,1.0\n";

TEST(MeasuredLayers, Vidur) {
  const MeasuredSteps steps = read_table("operator/layers_vidur/dense_layer_ops.csv", kVidur);
  ASSERT_EQ(steps.rows.size(), 3U);
  const MeasuredStep& layer = steps.rows[0];
  EXPECT_EQ(layer.kind, StepKind::layer);
  EXPECT_EQ(layer.file, "layers_vidur/dense_layer_ops.csv");
  EXPECT_EQ(layer.line, 2U);
  EXPECT_EQ(layer.device, "a100-80gb-sxm");
  EXPECT_EQ(layer.stack, "vllm");
  EXPECT_EQ(layer.software, "");
  EXPECT_EQ(layer.model, "meta-llama/Llama-2-70b-hf");
  EXPECT_EQ(layer.format, "fp16");
  EXPECT_EQ(layer.precision, "weights=bf16,kv=bf16");
  EXPECT_EQ(layer.mapping, "tp=8");
  EXPECT_EQ(layer.batch, 1);
  EXPECT_EQ(layer.input, 64);
  EXPECT_EQ(layer.operators, (Labels{"norm", "qkv", "rotary", "o", "up", "activation", "down"}));
  // 7 + 7.5 of the norms, 23 + 3 + 17 + 81 + 4 + 45, and the residual twice: 2 x 3. No embedding.
  EXPECT_NEAR(microseconds(layer), 193.5, 1e-9);
  EXPECT_EQ(steps.rows[1].device, "h100-sxm");
  EXPECT_EQ(steps.rows[1].model, "meta-llama/Llama-3.1-8B");
  // One norm for attention and feed-forward alike: not the two of the graph, nor the residuals in them.
  EXPECT_EQ(steps.rows[2].device, "a40");
  EXPECT_EQ(steps.rows[2].model, "phi-2");
  EXPECT_EQ(steps.rows[2].operators, (Labels{"qkv", "rotary", "o", "up", "activation", "down"}));
  EXPECT_NEAR(microseconds(steps.rows[2]), 63 + 4 + 48 + 311 + 15 + 171, 1e-9);
  EXPECT_EQ(left_out(steps), 1U) << "no number of tokens";
}

TEST(MeasuredLayers, Frontier) {
  const MeasuredSteps steps = read_table(
      "operator/layers_frontier/dense_layer_ops_h800.csv",
      "gpu,model,precision,tp,num_tokens,emb_us,input_layernorm_us,attn_pre_proj_us,attn_rope_us,attn_post_proj_us,"
      "post_attention_layernorm_us,mlp_up_proj_us,mlp_act_us,mlp_down_proj_us,add_us\n"
      "h800,Llama-3.1-405B-Instruct-FP8,BF16 / method=fp8|act=none|serialized=False|block=none,1,2,3,4,100,9,95,5,550,"
      "28,300,\n"
      "h800,llama2_7b_dense_example,FP16 / none,8,1,,,9,2,4,,13,2,7,\n"
      "h800,Qwen3-30B-A3B-tiny,BF16 / none,1,1,3,4,100,9,95,5,,,300,\n"
      "h800,llama2_7b_dense_example,INT4 / none,8,1,,,9,2,4,,13,2,7,\n"
      "h800,llama2_7b_dense_example,FP16 / none,8,2,,,,,,,,,,\n");
  ASSERT_EQ(steps.rows.size(), 2U);
  EXPECT_EQ(steps.rows[0].device, "h800");
  EXPECT_EQ(steps.rows[0].model, "meta-llama/Llama-3.1-405B");
  EXPECT_EQ(steps.rows[0].format, "fp8");
  EXPECT_EQ(steps.rows[0].precision, "weights=fp8,kv=bf16");
  EXPECT_NEAR(microseconds(steps.rows[0]), 4 + 5 + 100 + 9 + 95 + 550 + 28 + 300, 1e-9);
  // Shards lack the norms.
  EXPECT_EQ(steps.rows[1].format, "fp16");
  EXPECT_EQ(steps.rows[1].mapping, "tp=8");
  EXPECT_EQ(steps.rows[1].operators, (Labels{"qkv", "rotary", "o", "up", "activation", "down"}));
  EXPECT_NEAR(microseconds(steps.rows[1]), 37, 1e-9);
  EXPECT_EQ(left_out(steps), 3U) << "a shrunken model, an unknown precision, and nothing measured";
}

TEST(MeasuredLayers, LlmServingSim) {
  const MeasuredSteps steps = read_table("operator/layers_llmservingsim/dense_layer_ops.csv",
                                         "gpu,model,tp,layer,tokens,time_us\n"
                                         "rtx4090,Llama-3.1-8B,1,act_fn,1,3\n"
                                         "rtx4090,Llama-3.1-8B,1,act_fn,2,4\n"
                                         "rtxpro6000,Qwen3-30B-A3B-Instruct-2507,2,qkv_proj,1,9\n"
                                         "rtx4090,Llama-3.1-8B,1,layernorm,1,1.5\n"
                                         "rtx4090,Llama-3.1-8B,1,final_layernorm,1,2\n"
                                         "rtxpro6000,Qwen3-30B-A3B-Instruct-2507,2,qk_norm,1,2\n"
                                         "rtx4090,Llama-3.1-8B,1,down_proj,1,100\n"
                                         "rtxpro6000,Qwen3-30B-A3B-Instruct-2507,2,o_proj,1,7\n"
                                         "rtx4090,Llama-3.1-8B,1,act_fn,1,5\n"
                                         "rtx4090,Llama-3.1-8B,1,mystery,1,5\n"
                                         "rtx4090,Llama-3.1-8B,1,o_proj,1,-5\n");
  ASSERT_EQ(steps.rows.size(), 3U);
  EXPECT_EQ(steps.rows[0].line, 2U);
  EXPECT_EQ(steps.rows[0].device, "rtx-4090");
  EXPECT_EQ(steps.rows[0].format, "bf16");
  EXPECT_EQ(steps.rows[0].operators, (Labels{"activation", "norm", "down"}));
  EXPECT_NEAR(microseconds(steps.rows[0]), 3 + 2 * 1.5 + 100, 1e-9);  // two norms in a layer
  EXPECT_EQ(steps.rows[1].line, 3U);
  EXPECT_EQ(steps.rows[1].input, 2);
  EXPECT_EQ(steps.rows[2].line, 4U);
  EXPECT_EQ(steps.rows[2].model, "Qwen/Qwen3-30B-A3B");
  EXPECT_EQ(steps.rows[2].mapping, "tp=2");
  EXPECT_EQ(steps.rows[2].operators, (Labels{"qkv", "o"}));
  EXPECT_NEAR(microseconds(steps.rows[2]), 16, 1e-9);
  EXPECT_EQ(left_out(steps), 5U) << "final norm, query-key norm, a repeat, an unknown kernel, a negative time";
  EXPECT_EQ(steps.left_out.at("kernels given twice for one layer"), 1U);
}

TEST(MeasuredLayers, LlmCompass) {
  const std::string row = "a100_80gb x4,prefill,8,2048,12288,96,4,";
  std::string text = "gpu,phase,batch,seq_len,d_model,n_heads,tp,component,latency_us\n";
  int power = 1;
  for (const char* kernel : {"Q_K_V", "Q_mul_K", "A_mul_V", "Wo_proj", "W1_proj", "W2_proj", "Softmax", "LayerNorm_MHA",
                             "LayerNorm_FFN", "GeLU", "AllReduce_MHA", "AllReduce_FFN"}) {
    text += row + kernel + "," + std::to_string(power) + "\n";
    power *= 2;
  }
  text += "a100_80gb x4,decode,8,2048,12288,96,4,Softmax,7\n";
  const MeasuredSteps steps = read_table("operator/llmcompass/gpt3_layer_tp4_a100_breakdown.csv", text);
  ASSERT_EQ(steps.rows.size(), 1U);
  const MeasuredStep& layer = steps.rows[0];
  EXPECT_EQ(layer.device, "a100-80gb-sxm");
  EXPECT_EQ(layer.model, "facebook/opt-175b");
  EXPECT_EQ(layer.mapping, "tp=4");
  EXPECT_EQ(layer.batch, 8);
  EXPECT_EQ(layer.input, 2048);
  EXPECT_EQ(layer.operators, (Labels{"qkv", "scores", "o", "up", "down", "norm", "activation", "reduce attention",
                                     "reduce feed-forward"}));
  EXPECT_NEAR(microseconds(layer), 4095, 1e-9);  // every one of them
  EXPECT_EQ(left_out(steps), 1U);
}

LayerPart part(const char* name, const char* label, double time, std::int64_t input, std::size_t whole = 1) {
  LayerPart result{name, whole, {}};
  result.step.kind = StepKind::layer;
  result.step.input = input;
  result.step.measured = Seconds{time};
  result.step.operators = {label};
  return result;
}

TEST(MergeParts, KeepsApartWhatDiffersAndTheOrderOfFirstLines) {
  std::vector<LayerPart> parts{part("a", "qkv", 1, 64), part("a", "qkv", 2, 8), part("b", "o", 4, 64)};
  parts.push_back(part("b", "o", 8, 64));
  parts.back().step.model = "another";
  std::map<std::string, std::size_t> left_out;
  const std::vector<MeasuredStep> layers = merge_parts(parts, left_out);
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].measured.value, 5);
  EXPECT_EQ(layers[0].operators, (Labels{"qkv", "o"}));
  EXPECT_EQ(layers[1].measured.value, 2);
  EXPECT_EQ(layers[2].measured.value, 8);
  EXPECT_TRUE(left_out.empty());
}

TEST(MergeParts, TakesOperatorsWhole) {
  std::map<std::string, std::size_t> left_out;
  const std::vector<LayerPart> parts{part("a", "scores", 1, 8, 2), part("b", "scores", 2, 8, 2),
                                     part("a", "scores", 4, 9, 2), part("c", "o", 8, 9),
                                     part("b", "scores", 16, 10, 2)};
  const std::vector<MeasuredStep> layers = merge_parts(parts, left_out);
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].measured.value, 3);
  EXPECT_EQ(layers[1].measured.value, 8);
  EXPECT_EQ(layers[1].operators, (Labels{"o"}));
  EXPECT_EQ(left_out.at("kernels that are only some of an operator"), 2U);
}

}  // namespace
}  // namespace moesaic
