// What a GPU is asked to do: the least bytes and FLOPs, derived by hand, and its words.
#include "kernels/cuda/work.hpp"

#include <gtest/gtest.h>

namespace moesaic::cuda {
namespace {

void expect_floor(const Work& work, double bytes, double flops) {
  EXPECT_EQ(floor(work).bytes.value, bytes) << describe(work);
  EXPECT_EQ(floor(work).flops.value, flops) << describe(work);
}

TEST(Floor, OfMemoryAndRoofs) {
  expect_floor(EmptyWork{}, 0, 0);
  expect_floor(StreamWork{.stream = Stream::read, .bytes = 1600}, 1600, 0);
  expect_floor(StreamWork{.stream = Stream::write, .bytes = 1600}, 1600, 0);
  expect_floor(StreamWork{.stream = Stream::copy, .bytes = 1600}, 3200, 0);
  expect_floor(StreamWork{.stream = Stream::triad, .bytes = 1600}, 4800, 800);  // 400 elements, a product and a sum
  expect_floor(ChaseWork{.steps = 10}, 40, 0);
  // 64 x 256 products along 64 elements of two bytes or 128 of one, times 2 FLOPs, 3 rounds and 5 blocks.
  expect_floor(TensorIssueWork{.dtype = DType::bf16, .loops = 3, .blocks = 5}, 5 * 128 * 4, 2.0 * 64 * 256 * 64 * 15);
  expect_floor(TensorIssueWork{.dtype = DType::fp8, .loops = 3, .blocks = 5}, 5 * 128 * 4, 2.0 * 64 * 256 * 128 * 15);
  // 256 threads, 16 chains of 8 multiply-adds.
  expect_floor(FmaIssueWork{.loops = 3, .blocks = 5}, 5 * 256 * 4, 2.0 * 256 * 16 * 8 * 15);
}

TEST(Floor, OfProducts) {
  expect_floor(GemmWork{.dtype = DType::bf16, .m = 2, .n = 3, .k = 5, .batch = 7}, 7 * 2 * (10 + 15 + 6), 7 * 60);
  expect_floor(GemmWork{.dtype = DType::int8, .m = 2, .n = 3, .k = 5}, 10 + 15 + 4 * 6, 60);
  expect_floor(GemmWork{.dtype = DType::fp32, .m = 2, .n = 3, .k = 5}, 4 * (10 + 15) + 4 * 6, 60);
  expect_floor(GemvWork{.dtype = DType::fp8, .m = 2, .n = 3, .k = 16}, 2 * 32 + 48 + 2 * 6, 192);
  // 4 rows by 2 experts: offsets, rows, weights of gate and up, results.
  expect_floor(GroupedGemmWork{.rows = 4, .n = 3, .k = 16, .experts = 2, .gated = true},
               3 * 4 + 2 * 4 * 16 + 2 * 2 * 6 * 16 + 2 * 4 * 3, 2 * 4 * 6 * 16);
  // One row reads the weights of one expert only.
  expect_floor(GroupedGemmWork{.rows = 1, .n = 3, .k = 16, .experts = 2}, 3 * 4 + 2 * 16 + 2 * 3 * 16 + 2 * 3,
               2 * 3 * 16);
}

TEST(Floor, OfRouting) {
  expect_floor(RouteWork{.tokens = 3, .experts = 8, .top_k = 2}, 3 * 8 * 4 + 3 * 2 * 8, 0);
  // Ids and rows of 6 choices, 9 offsets; 3 rows read and 6 written.
  expect_floor(PermuteWork{.tokens = 3, .experts = 8, .top_k = 2, .hidden = 16}, 6 * 8 + 9 * 4 + 9 * 16 * 2, 0);
  expect_floor(UnpermuteWork{.tokens = 3, .top_k = 2, .hidden = 16}, 6 * 8 + 9 * 16 * 2, 2 * 6 * 16);
}

TEST(Floor, OfAttention) {
  // 2 sequences of 3 pages of 16: keys and values of 2 heads of 64 in fp8; q and out of 4 heads; contexts and pages.
  const DecodeAttentionWork decode{.kv_dtype = DType::fp8,
                                   .sequences = 2,
                                   .q_heads = 4,
                                   .kv_heads = 2,
                                   .head_dim = 64,
                                   .page_tokens = 16,
                                   .pages_per_sequence = 3};
  expect_floor(decode, 2 * 2 * 2 * 48 * 64 + 2 * 2 * 8 * 64 + 4 * 2 * (1 + 3), 4.0 * 8 * 48 * 64);
  DecodeAttentionWork window = decode;
  window.window = 32;
  expect_floor(window, 2 * 2 * 2 * 32 * 64 + 2 * 2 * 8 * 64 + 4 * 2 * (1 + 2), 4.0 * 8 * 32 * 64);
  expect_floor(MlaDecodeWork{.sequences = 2, .heads = 16, .page_tokens = 64, .pages_per_sequence = 3},
               2.0 * 2 * 192 * 576 + 2 * 32 * (576 + 512) + 4 * 2 * 4, 2.0 * 32 * 192 * (576 + 512));
  // 10 tokens see 55; with a window of 3, 1 + 2 + 8 x 3 = 27.
  const PrefillAttentionWork prefill{.sequences = 2, .tokens = 10, .q_heads = 4, .kv_heads = 2, .head_dim = 64};
  expect_floor(prefill, 2 * 2 * 10 * 64 * (4 + 4 + 2 + 2), 4.0 * 2 * 4 * 55 * 64);
  PrefillAttentionWork narrow = prefill;
  narrow.window = 3;
  expect_floor(narrow, 2 * 2 * 10 * 64 * (4 + 4 + 2 + 2), 4.0 * 2 * 4 * 27 * 64);
  // 6 states read and written; q, k, v and out; decays of 3 heads.
  expect_floor(LinearAttentionWork{.sequences = 2, .heads = 3, .head_dim = 64},
               3 * 4 + 6 * (2.0 * 4 * 64 * 64 + 4 * 2 * 64), 5.0 * 6 * 64 * 64);
}

TEST(Floor, OfElementwise) {
  expect_floor(RmsNormWork{.rows = 3, .width = 8}, 2 * 2 * 24 + 16, 4 * 24);
  expect_floor(SiluMulWork{.rows = 3, .width = 8}, 3 * 2 * 24, 5 * 24);
  expect_floor(RotaryWork{.tokens = 3, .heads = 2, .head_dim = 64}, 2 * 2 * 3 * 128 + 3 * 4, 3 * 3 * 128);
  expect_floor(QuantizeWork{.rows = 3, .width = 256}, 3 * 256 * 3 + 6 * 4, 2 * 3 * 256);
}

TEST(Describe, NamesTheWorkAndItsSizes) {
  EXPECT_EQ(describe(EmptyWork{}), "empty kernel");
  EXPECT_EQ(describe(StreamWork{.stream = Stream::triad, .bytes = 1ULL << 33, .blocks = 4}),
            "triad bytes=8589934592 blocks=4");
  EXPECT_EQ(describe(DecodeAttentionWork{.kv_dtype = DType::fp8, .sequences = 8, .q_heads = 32, .kv_heads = 8}),
            "decode attention fp8 sequences=8 q_heads=32 kv_heads=8 head_dim=128 page_tokens=16 pages_per_sequence=1 "
            "window=0 splits=1");
  EXPECT_EQ(describe(GroupedGemmWork{.rows = 4, .n = 3, .k = 16, .experts = 2, .gated = true}),
            "gated grouped gemm bf16 rows=4 n=3 k=16 experts=2");
}

}  // namespace
}  // namespace moesaic::cuda
