#include "model/architecture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/catalog.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {
namespace {

/// Which embedding tables a published active count includes.
enum Convention { kBoth, kHead, kNone };

/// Expected: sums of weight matrices that a separate script made from the same configurations. Published: what the
/// model's makers print, in billions; `percent` is how far the total may lie from it.
struct Preset {
  const char* name;
  double total, active, active_matmul;
  double kv_elements, state_elements;  ///< of one token over all layers; of one sequence
  double published_total, percent, published_active;
  Convention convention;
};

constexpr Preset kPresets[] = {
    {"mistralai/Mixtral-8x7B-v0.1", 46702526464., 12879659008., 12748587008., 65536, 0, 46.7, 0.7, 12.9, kBoth},
    {"mistralai/Mixtral-8x22B-v0.1", 140619939840., 39151337472., 38954729472., 114688, 0, 141, 0.7, 39, kHead},
    {"databricks/dbrx-instruct", 131596025856., 36469211136., 35852648448., 81920, 0, 132, 0.7, 36, kHead},
    {"xai-org/grok-1", 315683241984., 83755008000., 83755008000., 131072, 0, 314, 0.7, 0, kBoth},
    {"deepseek-ai/DeepSeek-V2", 235740692480., 21375057920., 20850769920., 34560, 0, 236, 0.7, 21, kHead},
    {"deepseek-ai/DeepSeek-V2-Lite", 15706357760., 2661023744., 2451308544., 15552, 0, 15.7, 0.7, 2.4, kHead},
    {"deepseek-ai/DeepSeek-V3", 671025397760., 37551276032., 36624596992., 35136, 0, 671, 0.7, 37, kHead},
    {"deepseek-ai/DeepSeek-R1", 671025397760., 37551276032., 36624596992., 35136, 0, 671, 0.7, 37, kHead},
    {"deepseek-ai/DeepSeek-V3.2", 671876907008., 38402785280., 37476106240., 35136, 0, 671, 0.7, 37, kHead},
    {"deepseek-ai/deepseek-moe-16b-base", 16375611392., 2828533760., 2618818560., 114688, 0, 16.4, 0.7, 2.8, kBoth},
    {"Qwen/Qwen1.5-MoE-A2.7B", 14315536384., 2688925696., 2377760768., 98304, 0, 14.3, 0.7, 2.7, kBoth},
    {"Qwen/Qwen2-57B-A14B", 57408325632., 14248937472., 13704398848., 28672, 0, 57.4, 0.7, 14, kBoth},
    {"Qwen/Qwen3-30B-A3B", 30531911680., 3352821760., 3041656832., 49152, 0, 30.5, 0.7, 3.3, kBoth},
    {"Qwen/Qwen3-235B-A22B", 235092836352., 22189965312., 21567635456., 96256, 0, 235, 0.7, 22, kBoth},
    {"Qwen/Qwen3-Next-80B-A3B-Thinking", 79674179584., 3874717696., 3563552768., 12288, 18874368, 80, 0.7, 3, kNone},
    {"openai/gpt-oss-20b", 20907786240., 4186275840., 3607142400., 24576, 0, 20.9, 0.7, 3.6, kHead},
    {"openai/gpt-oss-120b", 116788838400., 5710233600., 5131100160., 36864, 0, 116.8, 0.7, 5.1, kHead},
    {"meta-llama/Llama-4-Scout-17B-16E-Instruct", 107769364480., 17172398080., 16137912320., 98304, 0, 109, 1.2, 17,
     kBoth},  // vision encoder left out
    {"meta-llama/Llama-4-Maverick-17B-128E-Instruct", 400711352320., 17184194560., 16149708800., 98304, 0, 400, 0.7, 17,
     kBoth},
    {"moonshotai/Kimi-K2-Instruct", 1026407202816., 32860471296., 31686066176., 35136, 0, 1000, 2.7, 32,
     kHead},  // "1T" is rounded
    {"zai-org/GLM-4.5", 352795525120., 33629962240., 32854016000., 188416, 0, 355, 0.7, 32, kNone},
    {"zai-org/GLM-4.5-Air", 106851205120., 13423083520., 12802326528., 94208, 0, 106, 0.9, 12,
     kNone},  // "106B" is rounded
    {"MiniMaxAI/MiniMax-M1-80k", 456088092672., 48401743872., 47172550656., 20480, 73400320, 456, 0.7, 45.9, kNone},
    {"MiniMaxAI/MiniMax-Text-01", 456088092672., 48401743872., 47172550656., 20480, 73400320, 456, 0.7, 45.9, kNone},
    {"allenai/OLMoE-1B-7B-0924", 6919028736., 1281884160., 1178861568., 65536, 0, 6.9, 0.7, 1.3, kBoth},
    {"jetmoe/jetmoe-8b", 8522039296., 2331246592., 2331246592., 98304, 0, 8.52, 0.7, 2.2, kNone},
    {"microsoft/Phi-3.5-MoE-instruct", 41872261120., 6640107520., 6508773376., 65536, 0, 41.9, 0.7, 6.6, kBoth},
    {"meta-llama/Llama-3.1-8B", 8029995008., 8029995008., 7504658432., 65536, 0, 8.03, 0.7, 8.03, kBoth},
    {"meta-llama/Llama-3.1-70B", 70552387584., 70552387584., 69501714432., 163840, 0, 70.6, 0.7, 70.6, kBoth},
    {"meta-llama/Llama-3.1-405B", 405849243648., 405849243648., 403747897344., 258048, 0, 405, 0.7, 405, kBoth},
    {"Qwen/Qwen2.5-72B", 72704065536., 72704065536., 71458357248., 163840, 0, 72.7, 0.7, 72.7, kBoth},
    {"facebook/opt-66b", 65712015360., 65712015360., 65693122560., 1179648, 0, 66, 0.7, 66, kBoth},
    // The paper says 175B: 96 x 12 x 12288^2 of the layers, and (50272 + 2050) x 12288
    {"facebook/opt-175b", 174589108224., 174589108224., 174563917824., 2359296, 0, 175, 0.7, 175, kBoth},
    // 96 x 12 x 12288^2 of the layers, and (51200 + 2050) x 12288
    {"nvidia/gpt3-175b", 174600511488., 174600511488., 174575321088., 2359296, 0, 175, 0.7, 175, kBoth},
    {"nvidia/megatron-1t", 1007996160000., 1007996160000., 1007943680000., 6553600, 0, 1000, 1, 1000,
     kBoth},  // "1T" is rounded
    {"nvidia/Mixtral-G8T8-8x22B", 140639207424., 22259171328., 22062563328., 114688, 0, 141, 0.7, 0, kBoth},
    {"nvidia/Llama3-8x70B", 465157750784., 126929076224., 125878403072., 163840, 0, 0, 0, 0, kBoth},
    {"google/GLaM-64B-64E", 1161755099136., 96603209728., 96603209728., 2097152, 0, 1200, 3.2, 96.6,
     kBoth},  // "1.2T" is rounded
    {"meta-llama/Llama-2-7b-hf", 6738149376., 6738149376., 6607077376., 262144, 0, 6.74, 0.7, 6.74, kBoth},
    {"meta-llama/Llama-2-13b-hf", 13015449600., 13015449600., 12851609600., 409600, 0, 13, 0.7, 13, kBoth},
    // 80 (2 x 8192 x 8192 + 2 x 8192 x 1024 + 3 x 8192 x 28672) + 2 x 32000 x 8192; "70B" is rounded
    {"meta-llama/Llama-2-70b-hf", 68975329280., 68975329280., 68713185280., 163840, 0, 70, 1.5, 70, kBoth},
    {"deepseek-ai/deepseek-llm-7b-base", 6910115840., 6910115840., 6490685440., 245760, 0, 6.9, 0.7, 6.9, kBoth},
    {"deepseek-ai/deepseek-llm-67b-base", 67423436800., 67423436800., 66584576000., 194560, 0, 67.4, 0.7, 67.4, kBoth},
    {"Qwen/Qwen3-0.6B", 595984384., 595984384., 595984384., 57344, 0, 0.752, 20.8, 0.752,
     kBoth},  // published with untied tables
    {"Qwen/Qwen3-1.7B", 1720451072., 1720451072., 1720451072., 57344, 0, 2.03, 15.3, 2.03,
     kBoth},  // published with untied tables
    {"Qwen/Qwen3-8B", 8190427136., 8190427136., 7568097280., 73728, 0, 8.19, 0.7, 8.19, kBoth},
    {"Qwen/Qwen3-32B", 32761446400., 32761446400., 31983534080., 131072, 0, 32.76, 0.7, 32.76, kBoth},
};

TEST(Presets, EveryShippedModelIsListed) {
  const auto shipped = list_catalog("models");
  ASSERT_EQ(shipped.size(), std::size(kPresets));
  for (const Preset& expected : kPresets) {
    EXPECT_EQ(find_in_catalog("models", "model", expected.name).name, expected.name);
  }
}

TEST(Presets, Counts) {
  for (const Preset& expected : kPresets) {
    const Architecture architecture = preset(expected.name);
    const ParameterCount count = count_parameters(architecture);
    EXPECT_EQ(architecture.name, expected.name);
    EXPECT_EQ(count.total, expected.total) << expected.name;
    EXPECT_EQ(count.active, expected.active) << expected.name;
    EXPECT_EQ(count.active_matmul, expected.active_matmul) << expected.name;
    EXPECT_EQ(kv_elements_per_token(architecture), expected.kv_elements) << expected.name;
    double state = 0;
    for (std::size_t layer = 0; layer < architecture.layers.size(); ++layer) {
      state += state_elements_per_sequence(architecture.layer(layer).attention);
    }
    EXPECT_EQ(state, expected.state_elements) << expected.name;
  }
}

TEST(Presets, PublishedCounts) {
  for (const Preset& expected : kPresets) {
    const Architecture architecture = preset(expected.name);
    const ParameterCount count = count_parameters(architecture);
    if (expected.published_total == 0) {
      continue;  // not published
    }
    EXPECT_NEAR(count.total / 1e9 / expected.published_total, 1, expected.percent / 100) << expected.name;
    const double head = static_cast<double>(architecture.vocabulary) * static_cast<double>(architecture.hidden);
    const double active = expected.convention == kBoth   ? count.active
                          : expected.convention == kHead ? count.active_matmul
                                                         : count.active_matmul - head;
    if (expected.published_active == 0) {
      continue;  // not published
    }
    // Makers round: "3B" of Qwen3-Next is 3.25B, "2.2B" of JetMoE 2.27B.
    const double percent = expected.published_active == 3 ? 8.5 : std::max(expected.percent, 3.0);
    EXPECT_NEAR(active / 1e9 / expected.published_active, 1, percent / 100) << expected.name;
  }
}

TEST(Presets, ExtrasOverThePlainSum) {
  // DeepSeek-V3.2 is DeepSeek-V3 and 61 indexers: query 1536 -> 64 x 128, key 7168 -> 128, head weights 7168 -> 64.
  const double indexers = 61.0 * (1536 * 64 * 128 + 7168 * 128 + 7168 * 64);
  EXPECT_EQ(count_parameters(preset("DeepSeek-V3.2")).total - count_parameters(preset("DeepSeek-V3")).total, indexers);
  EXPECT_LT(indexers / count_parameters(preset("DeepSeek-V3")).total, 0.007);
  // Published with untied tables: 0.752B and 2.03B.
  EXPECT_NEAR(count_parameters(preset("Qwen3-0.6B")).total + 151936.0 * 1024, 0.752e9, 0.0005e9);
  EXPECT_NEAR(count_parameters(preset("Qwen3-1.7B")).total + 151936.0 * 2048, 2.03e9, 0.005e9);
  // OPT-66B by hand: 12 d^2 a layer, the tied table and 2048 + 2 learned positions.
  EXPECT_EQ(count_parameters(preset("opt-66b")).total, 64 * 12.0 * 9216 * 9216 + (50272.0 + 2050) * 9216);
  EXPECT_EQ(count_parameters(preset("opt-66b")).embedding, (50272.0 + 2050) * 9216);
}

TEST(Presets, RoutedExperts) {
  EXPECT_EQ(count_parameters(preset("DeepSeek-V3")).experts, 58 * 256 * 3.0 * 7168 * 2048);
  EXPECT_EQ(count_parameters(preset("Llama-3.1-8B")).experts, 0);
  EXPECT_EQ(count_parameters(preset("GLaM")).experts, 32 * 64 * 2.0 * 8192 * 32768);
}

TEST(CacheBytes, WindowsCapWhatALayerKeeps) {
  const Architecture gpt = preset("gpt-oss-20b");  // 12 layers keep 128 tokens, 12 keep all; 1024 elements a token
  EXPECT_EQ(cache_bytes(gpt, gpt.precision, 100).value, 24 * 100 * 1024 * 2.0);
  EXPECT_EQ(cache_bytes(gpt, gpt.precision, 1000).value, 12 * (128 + 1000) * 1024 * 2.0);
  const Architecture scout = preset("Scout");  // 36 layers keep at most a chunk of 8192
  EXPECT_EQ(cache_bytes(scout, scout.precision, 10000).value, (36 * 8192 + 12 * 10000) * 2048 * 2.0);
}

TEST(CacheBytes, StateDoesNotGrow) {
  const Architecture minimax = preset("MiniMax-M1");
  EXPECT_EQ(cache_bytes(minimax, minimax.precision, 0).value, 73400320 * 4.0);
  EXPECT_EQ(cache_bytes(minimax, minimax.precision, 1000).value, 73400320 * 4.0 + 1000 * 40960);
}

TEST(CacheBytes, IndexerKeysAreKeptBesidesTheLatent) {
  const Architecture v32 = preset("DeepSeek-V3.2");  // 128 fp8 elements and a 32-bit scale a token and layer
  EXPECT_EQ(cache_bytes(v32, v32.precision, 1000).value, 1000 * (70272 + 61 * 132.0));
  const Architecture v3 = preset("DeepSeek-V3");
  EXPECT_EQ(cache_bytes(v3, v3.precision, 1000).value, 1000 * 70272.0);
}

TEST(WeightBytes, ByClass) {
  const Architecture llama = preset("Llama-3.1-8B");
  EXPECT_EQ(weight_bytes(llama, llama.precision).value, 2 * 8029995008.0);
  // gpt-oss-120b: experts at 4.25 bits, the rest in two bytes; published checkpoint 60.8 GiB.
  const Architecture gpt = preset("gpt-oss-120b");
  const double experts = 36 * 128 * 3.0 * 2880 * 2880;
  EXPECT_EQ(weight_bytes(gpt, gpt.precision).value, experts * 4.25 / 8 + (116788838400.0 - experts) * 2);
  EXPECT_NEAR(weight_bytes(gpt, gpt.precision).value / 0x1p30, 60.8, 0.2);
  // DeepSeek-V3: a 32-bit scale for every 128 x 128 fp8 weights; tables and routers in bf16.
  const Architecture v3 = preset("DeepSeek-V3");
  const double wide = 2 * 129280.0 * 7168 + 58 * 7168.0 * 256;
  EXPECT_NEAR(weight_bytes(v3, v3.precision).value, (671025397760.0 - wide) * (1 + 4 / 16384.0) + wide * 2, 1e3);
}

TEST(ArchitectureCounts, LayersOfAKind) {
  const Architecture v3 = preset("DeepSeek-V3");
  EXPECT_EQ(v3.layer_count(), 61);
  EXPECT_EQ(v3.count_of_kind(0), 3);
  EXPECT_EQ(v3.count_of_kind(1), 58);
  EXPECT_EQ(v3.count_of_kind(2), 0);
  EXPECT_TRUE(std::holds_alternative<DenseFeedForward>(v3.layer(2).feed_forward));
  EXPECT_TRUE(std::holds_alternative<MoeFeedForward>(v3.layer(3).feed_forward));
}

TEST(AttentionCounts, PublishedSizes) {
  const Architecture minimax = preset("MiniMax-M1");
  const auto parameters = [&](int kind) {
    return attention_matrix_parameters(minimax.kinds[static_cast<std::size_t>(kind)].attention, minimax.hidden);
  };
  EXPECT_NEAR(parameters(0) / 1e6, 251.7, 0.05);  // lightning
  EXPECT_NEAR(parameters(1) / 1e6, 113.2, 0.05);  // softmax
  const Attention mla = preset("DeepSeek-V3").kinds[0].attention;
  EXPECT_EQ(attention_flops_per_pair(mla, false), 81920);
  EXPECT_EQ(attention_flops_per_pair(mla, true), 278528);
}

TEST(AttentionCounts, LinearAttention) {
  // 64 heads of 128: 2 x 64 x 128^2 for the update of the state and as much for reading it, and within a block of 256
  // on average 128.5 keys at 4 x 64 x 128.
  const Attention lightning = LightningAttention{64, 128, 256};
  EXPECT_EQ(linear_attention_flops_per_token(lightning, 1), 4.0 * 64 * 128 * 128);
  EXPECT_EQ(linear_attention_flops_per_token(lightning, 4096), 4.0 * 64 * 128 * 128 + 4.0 * 64 * 128 * 128.5);
  EXPECT_EQ(linear_attention_flops_per_token(lightning, 3), 4.0 * 64 * 128 * 128 + 4.0 * 64 * 128 * 2);
  const Attention delta = GatedDeltaNet{16, 32, 128, 128, 4, 64};
  EXPECT_EQ(linear_attention_flops_per_token(delta, 1), 6.0 * 32 * 128 * 128);
  EXPECT_EQ(attention_small_parameters(delta, 2048), (2 * 16 * 128 + 32 * 128) * 4.0);
  EXPECT_EQ(linear_attention_flops_per_token(SoftmaxAttention{8, 8, 64, 64}, 10), 0);
}

}  // namespace
}  // namespace moesaic
