// Does a fit find a kernel that is known, say honestly how sure it is, and survive being written and read?
#include "calibrate/profile.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/statistics.hpp"
#include "calibrate/judge.hpp"
#include "hw/machine.hpp"

namespace moesaic {
namespace {

Machine h100() { return read_machine(load_machine_config("h100-sxm")); }

constexpr double kNoise = 0.04;  ///< standard deviation of the logarithm of the made-up measurements

/// A kernel that reaches 70% of arithmetic and 80% of bandwidth after 4 us, with a step in n that no core knows.
double true_seconds(double n, double k, double m, double bandwidth) {
  const double flops = 2 * n * k * m / 989e12 / 0.7, bytes = 2 * (n * k + m * k + m * n) / bandwidth / 0.8;
  const double odd = std::fmod(n, 512) == 0 ? 1.0 : 1.25;
  return 4e-6 + odd * std::max(flops, bytes);
}

/// Products of 60 pairs (n, k) at 12 values of m, on a device of the catalog.
Measurements products(const std::string& device, double bandwidth, unsigned seed = 1) {
  Measurements all;
  all.files = {"made/up.csv"};
  const std::uint32_t key = all.key_index({Family::gemm, device, "vllm-0.24.0", "bf16", "", ""});
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(0, kNoise);
  for (int i = 0; i < 60; ++i) {
    const double n = 256 * (1 + i % 15), k = 1024 * (1 + i / 15);
    for (double m = 1; m <= 8192; m *= 2) {
      all.rows.push_back({key, 0, 1, {n, k, m}, Seconds{true_seconds(n, k, m, bandwidth) * std::exp(noise(random))}});
    }
  }
  return all;
}

std::vector<std::uint32_t> every_row(const Measurements& all) {
  std::vector<std::uint32_t> rows(all.rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<std::uint32_t>(i);
  }
  return rows;
}

Profile fitted(const Measurements& all, int threads = 0) {
  return fit_profile(all, every_row(all), h100(), {.surface = {}, .date = "2026-11-28", .threads = threads});
}

double predicted(const KernelSurface& surface, const ShapeValues& shape) {
  const KernelSetting setting{Family::gemm, kernel_formats("bf16", ""), "", kernel_machine(view_machine(h100(), 1))};
  return surface.seconds(kernel_point(setting, shape), shape, 0);
}

KernelEstimate estimated(const KernelSurface& surface, const ShapeValues& shape) {
  const KernelSetting setting{Family::gemm, kernel_formats("bf16", ""), "", kernel_machine(view_machine(h100(), 1))};
  return surface.estimate(kernel_point(setting, shape), shape, 0);
}

TEST(FittedProfile, FindsAKernelThatIsKnown) {
  const Measurements all = products("h100-sxm", 3.35e12);
  const Profile profile = fitted(all);
  ASSERT_EQ(profile.surfaces.size(), 1U);
  const KernelSurface& surface = profile.surfaces.front();
  EXPECT_EQ(surface.rows, all.rows.size());
  EXPECT_EQ(surface.shapes, 60U);
  EXPECT_LT(surface.median_error, 1.5 * kNoise);
  std::vector<double> errors;
  for (const double n : {512.0, 768.0, 1792.0, 2560.0, 3584.0}) {
    for (double m = 1; m <= 8192; m *= 2) {
      const double truth = true_seconds(n, 1536, m, 3.35e12);  // a k between the measured ones
      errors.push_back(std::abs(predicted(surface, {n, 1536, m}) / truth - 1));
    }
  }
  EXPECT_LT(percentile(errors, 0.5), kNoise);
  EXPECT_LT(percentile(errors, 0.9), 4 * kNoise);
}

TEST(FittedProfile, IsPhysicalFarOutside) {
  const Profile profile = fitted(products("h100-sxm", 3.35e12));
  const KernelSurface& surface = profile.surfaces.front();
  for (const ShapeValues& far : {ShapeValues{65792, 16384, 65536}, ShapeValues{131328, 8192, 1}}) {
    EXPECT_NEAR(predicted(surface, far) / true_seconds(far[0], far[1], far[2], 3.35e12), 1, 0.25);
    EXPECT_GT(estimated(surface, far).half90, 1.5 * estimated(surface, {2048, 2048, 256}).half90);
  }
}

TEST(FittedProfile, IsTheSameForAnyNumberOfThreads) {
  const Measurements all = products("h100-sxm", 3.35e12);
  EXPECT_EQ(profile_json(fitted(all, 1)), profile_json(fitted(all, 2)));
}

TEST(FittedProfile, IsTheSameAfterItWasWritten) {
  const Profile profile = fitted(products("h100-sxm", 3.35e12));
  const Profile read = read_profile(Config::parse(profile_json(profile), "profile.json"));
  EXPECT_EQ(read.name(), "h100-sxm--vllm-0.24.0");
  EXPECT_EQ(read.provenance.date, "2026-11-28");
  EXPECT_EQ(read.provenance.files, profile.provenance.files);
  EXPECT_TRUE(read.has_seen(Family::gemm, "n=512 k=1024"));
  EXPECT_FALSE(read.has_seen(Family::gemm, "n=512 k=1536"));
  ASSERT_EQ(read.surfaces.size(), 1U);
  for (const ShapeValues& shape : {ShapeValues{512, 1024, 1}, ShapeValues{1000, 3000, 333}}) {
    const KernelEstimate before = estimated(profile.surfaces.front(), shape);
    const KernelEstimate after = estimated(read.surfaces.front(), shape);
    EXPECT_NEAR(after.seconds / before.seconds, 1, 1e-4);
    EXPECT_NEAR(after.half50 / before.half50, 1, 1e-3);
    EXPECT_NEAR(after.half90 / before.half90, 1, 1e-3);
  }
}

TEST(Judge, IntervalsHoldWhatTheySayOfShapesLeftOut) {
  const Measurements all = products("h100-sxm", 3.35e12);
  const Judgement judgement = judge(all, {.profiles = {},
                                          .train = nullptr,
                                          .leave_out = true,
                                          .held_out = HeldOut::whole_shape,
                                          .folds = 5,
                                          .progress = {}});
  ASSERT_EQ(judgement.groups.size(), 1U);
  const JudgedGroup& group = judgement.groups.front();
  EXPECT_EQ(group.rows, all.rows.size());
  EXPECT_EQ(group.mode, JudgeMode::left_out);
  EXPECT_GT(group.coverage90, 0.84);
  EXPECT_LT(group.coverage90, 0.96);
  EXPECT_GT(group.coverage50, 0.4);
  EXPECT_LT(group.coverage50, 0.67);
  // Nobody predicts noise: half of it lies within 0.67 standard deviations.
  EXPECT_GT(group.median_abs_error, 0.6 * kNoise);
  EXPECT_LT(group.median_abs_error, 1.5 * kNoise);
  EXPECT_LT(group.median_abs_error, group.constant_median);
  EXPECT_LT(group.constant_median, group.roofline_median);
}

TEST(Judge, AFasterSiblingIsPredictedFromItsFigures) {
  Measurements all = products("h100-sxm", 3.35e12);
  all.append(products("h200", 4.8e12, 2));
  const Judgement judgement = judge_transfer(all, "h100-sxm", "h200");
  ASSERT_EQ(judgement.groups.size(), 1U);
  EXPECT_EQ(judgement.groups.front().device, "h200");
  EXPECT_EQ(judgement.groups.front().mode, JudgeMode::borrowed);
  EXPECT_LT(judgement.groups.front().median_abs_error, 2 * kNoise);
}

}  // namespace
}  // namespace moesaic
