// The work of each operator kind against formulas worked out by hand, on the shapes of published models.
#include "model/operator.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

constexpr StorageType kBf16{DType::bf16, 16};
constexpr StorageType kFp8{DType::fp8, 8};

Architecture bf16(const std::string& model) {
  Architecture architecture = preset(model);
  architecture.precision = Precision{};
  return architecture;
}

TEST(Work, DenseProduct) {
  const Work done = work({OperatorKind::projection, "up",
                          Gemm{.m = 3, .n = 50, .k = 70, .count = 2, .weights = kFp8, .activations = kBf16}});
  EXPECT_EQ(done.flops.value, 2 * 3 * 50 * 70 * 2);
  EXPECT_EQ(done.weights.value, 50 * 70 * 2);
  EXPECT_EQ(done.activations.value, 2 * 3 * (50 + 70) * 2);
  EXPECT_EQ(done.kv.value, 0);
  EXPECT_EQ(done.memory().value, 7000 + 1440);
  EXPECT_EQ(done.intensity().value, 42000.0 / 8440);
}

// Mixtral 8x7B: hidden 4096, 8 experts of width 14336, 2 a token.
TEST(Work, RoutedExperts) {
  const double rows = 2 * 10, distinct = 8 * (1 - std::pow(0.75, 10));
  GroupedGemm experts{.tokens = 10,
                      .rows = rows,
                      .distinct = distinct,
                      .experts = 8,
                      .top_k = 2,
                      .hidden = 4096,
                      .width = 14336,
                      .matrices = 3,
                      .weights = kBf16,
                      .activations = kBf16};
  const Work gated = work({OperatorKind::experts, "experts", experts});
  EXPECT_DOUBLE_EQ(gated.flops.value, 2.0 * 10 * 2 * 3 * 4096 * 14336);
  EXPECT_DOUBLE_EQ(gated.weights.value, distinct * 3 * 4096 * 14336 * 2);
  // In and out; gate and up written and read, their product written and read.
  EXPECT_DOUBLE_EQ(gated.activations.value, rows * (2 * 4096 + 6 * 14336) * 2);
  experts.matrices = 2;
  const Work ungated = work({OperatorKind::experts, "experts", experts});
  EXPECT_DOUBLE_EQ(ungated.flops.value, 2.0 * 10 * 2 * 2 * 4096 * 14336);
  EXPECT_DOUBLE_EQ(ungated.activations.value, rows * (2 * 4096 + 4 * 14336) * 2);
  experts.matrices = 1;
  const Work single = work({OperatorKind::experts, "experts", experts});
  EXPECT_DOUBLE_EQ(single.activations.value, rows * (4096 + 14336) * 2);
}

// Llama-3.1-8B: 32 query heads, 8 KV heads of 128.
TEST(Work, GroupedQueryAttention) {
  const Architecture llama = bf16("Llama-3.1-8B");
  const Work decode = work(the(attention_of(llama, 0, Batch::decode(5, 999)), "scores"));
  EXPECT_EQ(decode.flops.value, 5.0 * 1000 * 2 * (128 + 128) * 32);
  EXPECT_EQ(decode.kv.value, 5.0 * 1000 * 2 * 8 * 128 * 2);
  EXPECT_EQ(decode.activations.value, 5.0 * 32 * (128 + 128) * 2);
  EXPECT_NEAR(decode.flops.value / decode.kv.value, 2.0 * 32 / 8 / 2, 1e-12);  // intensity 2 g / e_kv
  const Work prefill = work(the(attention_of(llama, 0, Batch::prefill(2, 100, 50)), "scores"));
  EXPECT_EQ(prefill.flops.value, 2 * 2.0 * (128 + 128) * 32 * 100 * (50 + 101 / 2.0));
  EXPECT_EQ(prefill.kv.value, 2.0 * 150 * 2 * 8 * 128 * 2);
  const Work cached = work(the(attention_of(llama, 0, Batch::prefill(2, 100, 50)), "rotary"));
  EXPECT_EQ(cached.kv.value, 2.0 * 100 * 2 * 8 * 128 * 2);
}

// DeepSeek-V3: 128 heads, latent 512 + 64, nope and value 128, query rank 1536, hidden 7168.
TEST(Work, LatentAttentionAbsorbed) {
  const Architecture v3 = bf16("DeepSeek-V3");
  const auto operators = attention_of(v3, 0, Batch::decode(1, 99));
  const Work scores = work(the(operators, "scores"));
  EXPECT_EQ(scores.flops.value, 100.0 * 278'528);
  EXPECT_EQ(scores.kv.value, 100.0 * 1152);
  EXPECT_NEAR(scores.flops.value / scores.kv.value, 241.8, 0.05);
  EXPECT_EQ(work(the(operators, "absorb q")).flops.value, 2.0 * 128 * 128 * 512);
  EXPECT_EQ(work(the(operators, "absorb v")).flops.value, 2.0 * 128 * 512 * 128);
  EXPECT_EQ(work(the(operators, "rotary")).kv.value, 1152);
  for (const Operator& op : operators) {
    EXPECT_NE(std::string(op.label), "kv up");
  }
}

TEST(Work, LatentAttentionUnabsorbed) {
  const Architecture v3 = bf16("DeepSeek-V3");
  const auto operators = attention_of(v3, 0, Batch::prefill(3, 10, 90));
  const Work scores = work(the(operators, "scores"));
  EXPECT_EQ(scores.flops.value, 3 * (10 * 90 + 55) * 81'920.0);
  EXPECT_EQ(scores.kv.value, 3 * 100 * 128 * (192 + 128) * 2.0);  // rebuilt keys and values of every head
  EXPECT_EQ(work(the(operators, "kv up")).flops.value, 3 * 100 * 2.0 * 512 * 128 * (128 + 128));
  for (const Operator& op : operators) {
    EXPECT_NE(std::string(op.label).substr(0, 6), "absorb");
  }
}

// Weights of one layer, from section 1.1 of the attention formulas: d qr + qr nh (dn + dR) + d (dc + dR) +
// dc nh (dn + dv) + nh dv d.
TEST(Work, LatentAttentionReadsItsWeightsOnceInEitherForm) {
  const Architecture v3 = bf16("DeepSeek-V3");
  const double parameters = 7168.0 * 1536 + 1536.0 * 128 * 192 + 7168.0 * 576 + 512.0 * 128 * 256 + 128.0 * 128 * 7168;
  for (const Batch& batch : {Batch::decode(4, 100), Batch::prefill(4, 100)}) {
    Bytes weights;
    for (const Operator& op : attention_of(v3, 0, batch)) {
      weights += work(op).weights;
    }
    EXPECT_EQ(weights.value, 2 * parameters);
  }
}

// DeepSeek-V3.2: 64 index heads of 128 score every token in fp8; attention reads the best 2048.
TEST(Work, TokenSelection) {
  const Architecture v32 = bf16("DeepSeek-V3.2");
  const auto operators = attention_of(v32, 0, Batch::decode(1, 9'999));
  const Work index = work(the(operators, "index scores")), scores = work(the(operators, "scores"));
  EXPECT_EQ(index.flops.value, 10'000 * 2.0 * 64 * 128);
  EXPECT_EQ(index.kv.value, 10'000 * 128 * 8.25 / 8);
  EXPECT_EQ(scores.flops.value, 2048 * 278'528.0);
  EXPECT_EQ(scores.kv.value, 2048 * 1152.0);
  double written = 0;
  for (const Operator& op : operators) {
    if (const auto* elementwise = std::get_if<Elementwise>(&op.shape)) {
      written += elementwise->cache_written.value;
    }
  }
  EXPECT_EQ(written, 1152 + 128 * 8.25 / 8);
}

// MiniMax-Text-01: 64 heads of 128, blocks of 256, state in fp32.
TEST(Work, LightningAttention) {
  const Architecture minimax = bf16("MiniMax-Text-01");
  std::size_t kind = 0;
  while (!std::holds_alternative<LightningAttention>(minimax.kinds[kind].attention)) {
    ++kind;
  }
  const Work decode = work(the(attention_of(minimax, kind, Batch::decode(3, 12'345)), "linear attention"));
  EXPECT_EQ(decode.flops.value, 3 * 4.0 * 64 * 128 * 128);
  EXPECT_EQ(decode.kv.value, 3 * 2.0 * 64 * 128 * 128 * 4);
  const Work prefill = work(the(attention_of(minimax, kind, Batch::prefill(3, 1000)), "linear attention"));
  EXPECT_EQ(prefill.flops.value, 3000 * (2.0 * 64 * 128 * 257 + 4.0 * 64 * 128 * 128));
  EXPECT_EQ(prefill.kv.value, decode.kv.value);
}

// Qwen3-Next: 32 value heads, key and value dimension 128, blocks of 64. In a block of C tokens the causal halves of
// K K^T, T [K V], Q K^T and P V: C (dk + (dk + dv) + dk + dv) FLOPs a token and head.
TEST(Work, GatedDeltaNet) {
  const Architecture next = bf16("Qwen3-Next");
  std::size_t kind = 0;
  while (!std::holds_alternative<GatedDeltaNet>(next.kinds[kind].attention)) {
    ++kind;
  }
  const auto decode = attention_of(next, kind, Batch::decode(3, 12'345));
  EXPECT_EQ(work(the(decode, "delta rule")).flops.value, 3 * 6.0 * 32 * 128 * 128);
  EXPECT_EQ(work(the(decode, "delta rule")).kv.value, 3 * 2.0 * 524'288 * 4);
  EXPECT_EQ(work(the(decode, "convolution")).flops.value, 3 * 2.0 * 4 * (2 * 16 * 128 + 32 * 128));
  const Work prefill = work(the(attention_of(next, kind, Batch::prefill(1, 1000)), "delta rule"));
  EXPECT_EQ(prefill.flops.value, 1000 * (6.0 * 32 * 128 * 128 + 32 * 64.0 * (3 * 128 + 2 * 128)));
  const Work by_two = work(the(attention_of(next, kind, Batch::decode(1, 0), {.tensor = 2}), "delta rule"));
  EXPECT_EQ(by_two.flops.value, 3.0 * 32 * 128 * 128);
}

TEST(Work, MemoryBoundOperators) {
  const Work done = work({OperatorKind::activation, "activation",
                          Elementwise{.elements_read = 30,
                                      .elements_written = 10,
                                      .flops_per_element = 4,
                                      .type = kBf16,
                                      .weights = Bytes{7},
                                      .cache_written = Bytes{5}}});
  EXPECT_EQ(done.flops.value, 120);
  EXPECT_EQ(done.activations.value, 80);
  EXPECT_EQ(done.weights.value, 7);
  EXPECT_EQ(done.kv.value, 5);
  EXPECT_EQ(done.arithmetic, DType::fp32);
}

TEST(OperatorKinds, HaveDistinctNames) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kOperatorKindCount; ++i) {
    names.insert(name(static_cast<OperatorKind>(i)));
  }
  EXPECT_EQ(names.size(), kOperatorKindCount);
  EXPECT_FALSE(names.contains(""));
}

/// What query number `query` (counted over cached and new tokens) sees.
bool sees(int query, int key, int window, bool chunked) {
  if (key > query) {
    return false;
  }
  if (window <= 0) {
    return true;
  }
  return chunked ? key / window == query / window : query - key < window;
}

// Every combination of a few sizes against counting, one (query, key) pair at a time.
TEST(AttentionPairs, EqualBruteForce) {
  for (const int window : {0, 1, 2, 3, 7, 8, 16, 30, 64}) {
    for (const bool chunked : {false, true}) {
      for (int context = 0; context <= 34; ++context) {
        for (int tokens = 1; tokens <= 34; ++tokens) {
          double pairs = 0, read = 0;
          for (int key = 0; key < context + tokens; ++key) {
            int readers = 0;
            for (int query = context; query < context + tokens; ++query) {
              readers += sees(query, key, window, chunked);
            }
            pairs += readers;
            read += readers > 0;
          }
          SCOPED_TRACE("window " + std::to_string(window) + (chunked ? " chunked" : "") + ", " +
                       std::to_string(tokens) + " after " + std::to_string(context));
          ASSERT_EQ(attention_pairs(tokens, context, window, chunked), pairs);
          ASSERT_EQ(attention_read_tokens(tokens, context, window, chunked), read);
        }
      }
    }
  }
}

}  // namespace
}  // namespace moesaic
