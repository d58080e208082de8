// The plan has what it must have, in an order that makes an early end useful.
#include "calibrate/cpu_plan.hpp"

#include <gtest/gtest.h>

#include <set>

#include "calibrate/measured_facts.hpp"

namespace moesaic {
namespace {

cpu::Processor processor(double memory) {
  return {.model = "Example",
          .processors = 4,
          .cores = 4,
          .memory = {memory},
          .caches = {{1, {32 * 1024.0}, 4}, {2, {kMiB}, 4}, {3, {32 * kMiB}, 1}},
          .caches_known = true};
}

std::vector<cpu::GemmLibrary> libraries() {
  return {{"onednn", {DType::fp32, DType::int8}, {}, {}},
          {"own-blocked", {DType::fp32, DType::bf16, DType::int8}, {}, {}}};
}

TEST(CpuPlan, EssentialPointsComeFirstAndCoverEveryFormat) {
  for (const bool quick : {false, true}) {
    const std::vector<CpuPoint> plan = cpu_plan(processor(64e9), libraries(), {.threads = 4, .quick = quick});
    std::set<DType> formats;
    bool dispatch = false, memory = false, ended = false;
    for (const CpuPoint& point : plan) {
      EXPECT_FALSE(ended && point.essential);
      ended |= !point.essential;
      if (point.essential) {
        dispatch |= std::holds_alternative<DispatchPoint>(point.what);
        if (const auto* stream = std::get_if<StreamPoint>(&point.what)) {
          memory |= stream->stream == cpu::Stream::read && stream->level == "memory";
        }
        if (const auto* gemm = std::get_if<GemmPoint>(&point.what)) {
          formats.insert(gemm->dtype);
        }
      }
    }
    EXPECT_TRUE(dispatch && memory);
    EXPECT_EQ(formats, (std::set<DType>{DType::fp32, DType::bf16, DType::int8}));
  }
}

TEST(CpuPlan, DataOfMemoryAreLargerThanTheLastCache) {
  const cpu::Processor machine = processor(64e9);
  for (const CpuPoint& point : cpu_plan(machine, libraries(), {.threads = 4})) {
    if (const auto* stream = std::get_if<StreamPoint>(&point.what)) {
      const bool of_memory = stream->level == "memory";
      EXPECT_EQ(stream->footprint > machine.last_cache(), of_memory) << describe(point, libraries());
    }
    if (const auto* gemm = std::get_if<GemmPoint>(&point.what); gemm != nullptr && !point.essential) {
      const double bytes = gemm->dtype == DType::fp32 ? 4 : gemm->dtype == DType::bf16 ? 2 : 1;
      EXPECT_GT(bytes * gemm->problem.n * gemm->problem.k * gemm->problem.copies, machine.last_cache().value);
      EXPECT_LE(gemm->m, gemm->problem.most_m);
    }
  }
}

TEST(CpuPlan, NothingTakesMoreThanAQuarterOfASmallMemory) {
  const double memory = 512e6;
  const std::vector<CpuPoint> plan = cpu_plan(processor(memory), libraries(), {.threads = 2});
  EXPECT_GT(plan.size(), 50U);
  for (const CpuPoint& point : plan) {
    if (const auto* stream = std::get_if<StreamPoint>(&point.what)) {
      EXPECT_LE(stream->footprint.value, memory / 4 + 1);
    }
    if (const auto* decode = std::get_if<DecodePoint>(&point.what)) {
      const cpu::DecodeShape& shape = decode->shape;
      EXPECT_LE(4.0 * shape.sequences * shape.context * shape.kv_heads * shape.head_dim, memory / 4);
    }
  }
}

TEST(CpuPlan, EveryThreadCountIsMeasured) {
  std::set<int> counts;
  for (const CpuPoint& point : cpu_plan(processor(64e9), libraries(), {.threads = 3})) {
    if (const auto* stream = std::get_if<StreamPoint>(&point.what)) {
      counts.insert(stream->threads);
    }
  }
  EXPECT_EQ(counts, (std::set<int>{1, 2, 3}));
}

TEST(CpuPlan, AttentionBesideACopyNeedsTwoThreads) {
  const auto beside = [](int threads) {
    int count = 0;
    for (const CpuPoint& point : cpu_plan(processor(64e9), libraries(), {.threads = threads})) {
      if (const auto* contention = std::get_if<ContentionPoint>(&point.what)) {
        EXPECT_EQ(contention->attention_threads, threads - 1);
        ++count;
      }
    }
    return count;
  };
  EXPECT_EQ(beside(1), 0);
  EXPECT_EQ(beside(4), 1);
}

TEST(CpuPlan, OurOwnLoopInFp32IsMeasuredOnlyWhereThereIsNoOther) {
  const auto own_fp32 = [](const std::vector<cpu::GemmLibrary>& from) {
    int count = 0;
    for (const CpuPoint& point : cpu_plan(processor(64e9), from, {.threads = 2})) {
      const auto* gemm = std::get_if<GemmPoint>(&point.what);
      count += gemm != nullptr && gemm->dtype == DType::fp32 && from[gemm->library].name == "own-blocked" ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(own_fp32(libraries()), 0);
  EXPECT_GT(own_fp32({libraries().back()}), 0);
}

}  // namespace
}  // namespace moesaic
