// Do kernel terms equal their closed forms, grow with the work, and bound the core from below?
#include "calibrate/kernel_model.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "calibrate/kernel_core.hpp"

namespace moesaic {
namespace {

KernelSetting setting(Family family, std::string_view kernel = "") {
  KernelSetting result{family, kernel_formats("bf16", "bf16"), kernel, {}};
  result.machine.seconds_per_flop.fill(1e-15);
  result.machine.seconds_per_byte = 5e-13;
  result.machine.link_seconds_per_byte = 2e-12;
  result.machine.multiprocessors = 100;
  result.machine.cache = 5e7;
  return result;
}

TEST(KernelModel, GemmIsTwoMnkWhereTilesAreFull) {
  const KernelTerms terms = kernel_point(setting(Family::gemm), {4096, 7168, 2048}).terms;
  EXPECT_DOUBLE_EQ(terms.compute, 2.0 * 4096 * 7168 * 2048 * 1e-15);
  EXPECT_DOUBLE_EQ(terms.memory, 2.0 * (4096.0 * 7168 + 2048.0 * 7168 + 2048.0 * 4096) * 5e-13);
}

TEST(KernelModel, DecodeAttentionReadsTheCacheOnce) {
  const KernelTerms terms = kernel_point(setting(Family::attention_decode), {32, 8, 128, 64, 4096, 0}).terms;
  // Keys and values of 8 heads, then queries and outputs of 32, all of 2 bytes.
  EXPECT_DOUBLE_EQ(terms.memory, (2.0 * 64 * 8 * 4096 * 128 * 2 + 2.0 * 64 * 32 * 128 * 2) * 5e-13);
  // A window bounds what is read.
  EXPECT_EQ(kernel_point(setting(Family::attention_decode), {32, 8, 128, 64, 4096, 512}).terms.memory,
            kernel_point(setting(Family::attention_decode), {32, 8, 128, 64, 512, 0}).terms.memory);
}

TEST(KernelModel, CollectivesMoveTheRingsBytes) {
  const double bytes = 1 << 20;
  // Ring all-reduce: 2 (r - 1) / r of the buffer, all-gather half of it.
  EXPECT_DOUBLE_EQ(kernel_point(setting(Family::collective, "all_reduce"), {bytes, 8, 8}).terms.memory,
                   2 * bytes * 7 / 8 * 2e-12);
  EXPECT_DOUBLE_EQ(kernel_point(setting(Family::collective, "all_gather"), {bytes, 8, 8}).terms.memory,
                   bytes * 7 / 8 * 2e-12);
}

TEST(KernelModel, ExchangeSendsATokenOnceToARank) {
  const ShapeValues shape{7168, 8, 256, 8, 1, 20, 100};
  // 8 (1 - (7/8)^8) = 5.251 ranks hold one of 8 random experts; 7 of 8 are others. fp8 with scales: 7392 bytes.
  EXPECT_NEAR(kernel_point(setting(Family::expert_exchange, "normal_dispatch"), shape).terms.memory,
              100 * 5.2512 * 7 / 8 * 7392 * 2e-12, 1e-9);
  EXPECT_NEAR(kernel_point(setting(Family::expert_exchange, "low_latency_dispatch"), shape).terms.memory,
              100 * 8.0 * 7 / 8 * 7392 * 2e-12, 1e-12);
}

TEST(KernelModel, ExpertsReadTheirWeightsOnce) {
  const ShapeValues shape{4096, 2048, 8, 64, 3, 1, 1, 0, 1024};
  const KernelTerms terms = routed_point(setting(Family::moe, "cutlass"), shape, {8192, 64, 128}).terms;
  EXPECT_DOUBLE_EQ(terms.compute, 2.0 * 8192 * 3 * 4096 * 2048 * 1e-15);
  EXPECT_DOUBLE_EQ(terms.footprint, 64.0 * 3 * 4096 * 2048 * 2);
  // Kernels that keep all pairs move more where experts are spread over ranks.
  const ShapeValues spread{4096, 2048, 8, 64, 3, 1, 8, 0, 1024};
  EXPECT_GT(routed_point(setting(Family::moe, "triton"), spread, {1024, 8, 128}).terms.memory,
            routed_point(setting(Family::moe, "cutlass"), spread, {1024, 8, 128}).terms.memory);
}

/// One family's shape with its column of tokens or context.
struct Growing {
  Family family;
  std::string_view kernel;
  ShapeValues shape;
  std::size_t column;
};
const Growing kGrowing[] = {
    {Family::gemm, "", {4096, 4096, 1}, 2},
    {Family::attention_prefill, "", {32, 8, 128, 2, 1, 0, 0}, 4},
    {Family::attention_decode, "", {32, 8, 128, 16, 1, 0}, 4},
    {Family::mla_prefill, "", {16, 1, 1, 0}, 2},
    {Family::mla_decode, "", {16, 16, 1}, 2},
    {Family::mla_decode_module, "", {16, 16, 1}, 2},
    {Family::mla_bmm, "", {16, 1}, 1},
    {Family::moe, "triton", {2048, 768, 8, 128, 3, 1, 4, 0, 1}, 8},
    {Family::collective, "all_reduce", {1, 8, 8}, 0},
    {Family::expert_exchange, "normal_dispatch", {7168, 8, 256, 8, 1, 20, 1}, 6},
    {Family::quantize, "", {4096, 1}, 1},
};

RC_GTEST_PROP(KernelModel, TermsGrowWithTheWork, ()) {
  const Growing& growing = kGrowing[*rc::gen::inRange<std::size_t>(0, std::size(kGrowing))];
  ShapeValues less = growing.shape, more = growing.shape;
  less[growing.column] = *rc::gen::inRange(1, 20000);
  more[growing.column] = less[growing.column] + *rc::gen::inRange(1, 5000);
  const KernelTerms small = kernel_point(setting(growing.family, growing.kernel), less).terms;
  const KernelTerms large = kernel_point(setting(growing.family, growing.kernel), more).terms;
  RC_ASSERT(large.memory >= small.memory);
  // Tiles of experts are expected numbers between those of equal and of scattered loads, which one token more may tip.
  RC_ASSERT(large.compute >= small.compute * (growing.family == Family::moe ? 1 - 2e-3 : 1 - 1e-12));
}

RC_GTEST_PROP(KernelCore, IsNeverAboveTheRoofs, ()) {
  const auto share = [] { return *rc::gen::inRange(1, 1001) / 1000.0; };
  const KernelCore core{1e-6 * share(), 1e-8 * share(), share(), share(), 1.2 + 10 * share(), 1 + 5 * share()};
  const KernelTerms terms{1e-3 * share(), 1e-3 * share(), 100 * share(), 1e8 * share()};
  RC_ASSERT(core_seconds(core, terms, 0) >= std::max(terms.compute, terms.memory));
  RC_ASSERT(core_seconds(core, terms, 5e7) <= core_seconds(core, terms, 0));
}

}  // namespace
}  // namespace moesaic
