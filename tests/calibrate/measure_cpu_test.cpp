// Measuring can be stopped, keeps to its budget, and gives rows and facts in the common form. No time is judged.
#include "calibrate/measure_cpu.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TEST(MeasureCpu, WithoutTimeTheEssentialPointsAreMeasured) {
  CpuMeasureOptions options;
  options.budget = {1e-9};
  std::vector<MeasureProgress> seen;
  options.progress = [&](const MeasureProgress& progress) { seen.push_back(progress); };
  const CpuCalibration result = measure_cpu(options);
  EXPECT_FALSE(result.stopped);
  EXPECT_LT(result.done, result.total);
  ASSERT_EQ(seen.size(), result.done);
  EXPECT_EQ(seen.front().done, 0U);
  EXPECT_EQ(seen.back().done, result.done - 1);
  for (const MeasureProgress& progress : seen) {
    EXPECT_EQ(progress.total, result.total);
    EXPECT_FALSE(progress.what.empty());
  }
  EXPECT_GT(result.facts.dispatch.value, 0);
  ASSERT_NE(result.facts.memory_bandwidth(), nullptr);
  EXPECT_GT(result.facts.memory_bandwidth()->rate.value, 0);
  std::set<DType> formats;
  for (const MeasuredPeak& peak : result.facts.peaks) {
    EXPECT_GT(peak.rate.value, 0);
    EXPECT_TRUE(formats.insert(peak.dtype).second) << "one peak a format";
  }
  EXPECT_EQ(formats, (std::set<DType>{DType::fp32, DType::bf16, DType::int8}));
  EXPECT_FALSE(result.facts.device.empty());
}

TEST(MeasureCpu, AttentionIsMeasuredBesideACopy) {
  CpuMeasureOptions options;
  options.budget = {9};  // small points
  const CpuCalibration result = measure_cpu(options);
  EXPECT_LE(result.done, result.total);
  if (result.facts.threads == 1) {
    EXPECT_FALSE(result.facts.contention);
    return;
  }
  ASSERT_TRUE(result.facts.contention || result.done < result.total);
  if (const auto& contention = result.facts.contention) {
    for (const BytesPerSecond rate :
         {contention->attention_alone, contention->attention_beside, contention->copy_alone, contention->copy_beside}) {
      EXPECT_GT(rate.value, 0);
    }
    EXPECT_EQ(contention->attention_threads, result.facts.threads - 1);
  }
}

TEST(MeasureCpu, RowsAreInTheCommonForm) {
  // Small points only, all of them if the machine is fast enough for that; at least the essential ones.
  CpuMeasureOptions options;
  options.budget = {2};
  options.threads = 1;
  options.device = "test-cpu";
  const CpuCalibration result = measure_cpu(options);
  ASSERT_FALSE(result.measurements.rows.empty());
  EXPECT_EQ(result.facts.threads, 1);
  for (const Measurement& row : result.measurements.rows) {
    const MeasurementKey& key = result.measurements.key_of(row);
    EXPECT_EQ(key.device, "test-cpu");
    EXPECT_EQ(key.stack, kCpuStack);
    EXPECT_TRUE(key.family == Family::gemm || key.family == Family::attention_decode || key.family == Family::moe);
    EXPECT_EQ(key.kv_dtype.empty(), key.family != Family::attention_decode);
    EXPECT_FALSE(key.kernel.empty());
    EXPECT_GT(row.latency.value, 0);
    EXPECT_LT(row.file, result.measurements.files.size());
  }
}

TEST(MeasureCpu, AFlagStopsItAndKeepsWhatIsDone) {
  std::atomic<bool> stop = false;
  CpuMeasureOptions options;
  options.budget = {1e-9};
  options.stop = &stop;
  options.progress = [&](const MeasureProgress& progress) { stop = progress.done == 2; };
  const CpuCalibration result = measure_cpu(options);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.done, 2U);  // the third point began, and saw the flag before its first sample
  EXPECT_GT(result.facts.dispatch.value, 0);
  EXPECT_NE(result.facts.memory_bandwidth(), nullptr);
  EXPECT_TRUE(result.measurements.rows.empty());
}

TEST(MeasureCpu, MoreThreadsThanProcessorsAreRefused) {
  CpuMeasureOptions options;
  options.threads = 1 << 20;
  EXPECT_THROW(measure_cpu(options), UserError);
  options.threads = -1;
  EXPECT_THROW(measure_cpu(options), UserError);
}

}  // namespace
}  // namespace moesaic
