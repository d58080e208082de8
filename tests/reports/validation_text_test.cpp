// The text of a validation, and the scores that all of its reports share.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reports/validation_scores.hpp"
#include "validation_fixture.hpp"

namespace moesaic {
namespace {

TEST(ValidationScores, AreThoseOfTheirRows) {
  const fixture::Judged judged = fixture::few_rows();
  const std::vector<KindRows> kinds = rows_by_kind(judged.validation());
  ASSERT_EQ(kinds.size(), 3u);
  EXPECT_EQ(kinds[1].scores.kind, "moe balanced");
  EXPECT_EQ(kinds[2].scores.kind, "moe skewed");
  const JudgedGroup& gemm = kinds[0].scores;
  EXPECT_EQ(gemm.kind, "gemm");
  EXPECT_EQ(gemm.rows, 5u);
  // Errors -25%, 0, 5%, 10% and 50%: sorted sizes 0 5 10 25 50, the 90th percentile 0.6 of the way from 25 to 50.
  EXPECT_NEAR(gemm.median_abs_error, 0.10, 1e-12);
  EXPECT_NEAR(gemm.p90_abs_error, 0.40, 1e-12);
  EXPECT_NEAR(gemm.bias, 0.05, 1e-12);
  EXPECT_NEAR(gemm.coverage50, 2.0 / 5, 1e-12);  // 0 and 5%, within a factor of 1.06
  EXPECT_NEAR(gemm.coverage90, 3.0 / 5, 1e-12);  // and 10%, within 1.2
  EXPECT_NEAR(gemm.roofline_median, 0.5, 1e-12);
  EXPECT_NEAR(gemm.constant_p90, 0.2, 1e-12);
}

TEST(ValidationScores, BaselinesWithoutAPredictionAreLeftOut) {
  fixture::Judged judged = fixture::few_rows();
  judged.judgement.rows[0].roofline = 0;
  judged.judgement.rows[1].roofline = std::numeric_limits<double>::infinity();
  EXPECT_NEAR(score(judged.judgement, {0, 1, 2}).roofline_median, 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(score(judged.judgement, {0, 1}).roofline_median));
}

TEST(ValidationScores, WorstRowsComeLargestFirst) {
  const fixture::Judged judged = fixture::few_rows();
  EXPECT_EQ(worst_rows(judged.judgement, {0, 1, 2, 3, 4}, 3), (RowSet{4, 0, 3}));
  EXPECT_EQ(worst_rows(judged.judgement, {1, 2}, 9), (RowSet{2, 1}));
}

TEST(ValidationTargets, DependOnKindDataTypeAndMode) {
  const auto median = [](const char* kind, const char* dtype, JudgeMode mode = JudgeMode::left_out) {
    const AccuracyTarget* target = find_target(kind, dtype, mode);
    return target == nullptr ? 0 : target->median_abs_error;
  };
  EXPECT_EQ(median("gemm", "bf16"), 0.025);
  EXPECT_EQ(median("gemm", "fp8-block"), 0.02);
  EXPECT_EQ(median("gemm", "int8"), 0);
  EXPECT_EQ(median("gemm", ""), 0);
  EXPECT_EQ(median("attention_decode", "bf16 kv=fp8"), 0.03);
  EXPECT_EQ(median("moe skewed", "nvfp4", JudgeMode::profile), 0.08);
  EXPECT_EQ(median("quantize", "fp8"), 0);
  EXPECT_EQ(median("quantize", "fp8", JudgeMode::borrowed), 0.12);
}

TEST(ValidationTargets, AskForMedianAndPercentile) {
  const AccuracyTarget* target = find_target("gemm", "bf16", JudgeMode::left_out);
  JudgedGroup scores;
  scores.median_abs_error = 0.025;
  scores.p90_abs_error = 0.09;
  EXPECT_TRUE(meets(*target, scores));
  scores.p90_abs_error = 0.0901;
  EXPECT_FALSE(meets(*target, scores));
  scores.p90_abs_error = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(meets(*target, scores));
}

TEST(ValidationText, ShowsEverythingOfAFewRows) {
  const fixture::Judged judged = fixture::few_rows();
  const char* expected = R"(7 rows judged, 3 not
  data
Errors are |predicted / measured - 1|: median and 90th percentile (p90); pairs are median / p90. Bias: the median
with its sign. In 50%, in 90%: share of rows inside that interval around their prediction; '!' where the 90%
interval holds less than 86% or more than 94%. Roofline: at peak rates; one efficiency: the roofline over one
fraction of peak per device, stack and kernel. A group is one device, stack, operator and data type.

Targets, over all devices and stacks
  target               met by groups  rows  median    p90   bias  in 50%   in 90%  target                     roofline  one efficiency
  GEMM bf16            0 of 1            5   10.0%  40.0%  +5.0%   40.0%   60.0%!  2.5% / 9.0%   missed  50.0% / 50.0%   20.0% / 20.0%
  MoE layer, balanced  1 of 1            1    4.0%   4.0%  +4.0%  100.0%  100.0%!  5.0% / 20.0%  met     50.0% / 50.0%   20.0% / 20.0%
  MoE layer, skewed    1 of 1            1    8.0%   8.0%  +8.0%    0.0%  100.0%!  8.0% / 24.0%  met     50.0% / 50.0%   20.0% / 20.0%

Operators, over all devices and stacks
  operator      mode      rows  median    p90   bias  in 50%   in 90%  target                  roofline  one efficiency
  gemm          left_out     5   10.0%  40.0%  +5.0%   40.0%   60.0%!                     50.0% / 50.0%   20.0% / 20.0%
  moe balanced  left_out     1    4.0%   4.0%  +4.0%  100.0%  100.0%!  5.0% / 20.0%  met  50.0% / 50.0%   20.0% / 20.0%
  moe skewed    left_out     1    8.0%   8.0%  +8.0%    0.0%  100.0%!  8.0% / 24.0%  met  50.0% / 50.0%   20.0% / 20.0%

h100-sxm, vllm-0.24.0
  operator      data  mode      rows  median    p90   bias  in 50%   in 90%  target                     roofline  one efficiency
  gemm          bf16  left_out     5   10.0%  40.0%  +5.0%   40.0%   60.0%!  2.5% / 9.0%   missed  50.0% / 50.0%   20.0% / 20.0%
  moe balanced  fp8   left_out     1    4.0%   4.0%  +4.0%  100.0%  100.0%!  5.0% / 20.0%  met     50.0% / 50.0%   20.0% / 20.0%
  moe skewed    fp8   left_out     1    8.0%   8.0%  +8.0%    0.0%  100.0%!  8.0% / 24.0%  met     50.0% / 50.0%   20.0% / 20.0%

Worst of gemm, left_out
   error  measured  predicted  kernel                     shape               from
  +50.0%   4.00 us    6.00 us  h100-sxm vllm-0.24.0 bf16  n=4096 k=7168 m=16  gemm/h100.csv:6
  -25.0%   4.00 us    3.00 us  h100-sxm vllm-0.24.0 bf16  n=4096 k=7168 m=16  gemm/h100.csv:2
  +10.0%   4.00 us    4.40 us  h100-sxm vllm-0.24.0 bf16  n=4096 k=7168 m=16  gemm/h100.csv:5
   +5.0%   4.00 us    4.20 us  h100-sxm vllm-0.24.0 bf16  n=4096 k=7168 m=16  gemm/h100.csv:4
   +0.0%   4.00 us    4.00 us  h100-sxm vllm-0.24.0 bf16  n=4096 k=7168 m=16  gemm/h100.csv:3

Worst of moe balanced, left_out
  error  measured  predicted  kernel                                  shape                                                                                           from
  +4.0%    100 us     104 us  h100-sxm vllm-0.24.0 fp8 triton, tuned  hidden=2048 inter=768 topk=8 num_experts=128 matrices=3 moe_tp=1 moe_ep=1 skew=0 num_tokens=64  gemm/h100.csv:7

Worst of moe skewed, left_out
  error  measured  predicted  kernel                                  shape                                                                                             from
  +8.0%    100 us     108 us  h100-sxm vllm-0.24.0 fp8 triton, tuned  hidden=2048 inter=768 topk=8 num_experts=128 matrices=3 moe_tp=1 moe_ep=1 skew=1.2 num_tokens=64  gemm/h100.csv:8

Not judged: 3 rows; the first: quantize fp8 on h100-sxm: too few rows
)";
  EXPECT_EQ(validation_text(judged.validation(), {}), expected);
}

TEST(ValidationText, SaysWhenThereIsNothing) {
  fixture::Judged judged;
  judged.judgement.not_judged = 2;
  judged.judgement.why_not = "no fit";
  const std::string text = validation_text(judged.validation(), {});
  EXPECT_TRUE(text.starts_with("0 rows judged, 2 not\n")) << text;
  EXPECT_NE(text.find("Not judged: 2 rows; the first: no fit\n"), std::string::npos) << text;
}

TEST(ValidationText, SaysWhatProvesNothing) {
  fixture::Judged judged = fixture::few_rows();
  judged.seen_rows = 4;
  const std::string text = validation_text(judged.validation(), {});
  EXPECT_NE(text.find("4 of the rows have shapes that their profile was fitted on: no proof\n"), std::string::npos);
}

TEST(ValidationText, ColoursOnlyWhenRich) {
  const fixture::Judged judged = fixture::few_rows();
  EXPECT_EQ(validation_text(judged.validation(), {}).find('\x1b'), std::string::npos);
  EXPECT_NE(validation_text(judged.validation(), {.rich = true}).find("\x1b[32mmet"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
