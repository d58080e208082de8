#include "validation_fixture.hpp"

#include <cmath>

namespace moesaic::fixture {
namespace {

class Builder {
 public:
  explicit Builder(std::vector<std::string> files) { judged_.measurements.files = std::move(files); }

  void add(const MeasurementKey& key, const ShapeValues& shape, double measured, double predicted, JudgeMode mode) {
    Measurements& measurements = judged_.measurements;
    Measurement row;
    row.key = measurements.key_index(key);
    row.line = static_cast<std::uint32_t>(measurements.rows.size() + 2);
    row.shape = shape;
    row.latency = {measured};
    measurements.rows.push_back(row);
    JudgedRow judged;
    judged.row = static_cast<std::uint32_t>(measurements.rows.size() - 1);
    judged.mode = mode;
    judged.predicted = predicted;
    judged.measured = measured;
    judged.half50 = std::log(1.06);
    judged.half90 = std::log(1.2);
    judged.roofline = 0.5 * measured;
    judged.constant = 0.8 * measured;
    judged_.judgement.rows.push_back(judged);
  }

  void group(JudgedGroup group) {
    group.roofline_median = group.roofline_p90 = 0.5;
    group.constant_median = group.constant_p90 = 0.2;
    judged_.judgement.groups.push_back(std::move(group));
  }

  Judged take() { return std::move(judged_); }
  Judgement& judgement() { return judged_.judgement; }

 private:
  Judged judged_;
};

MeasurementKey key(Family family, const char* device, const char* dtype, const char* kv_dtype, const char* kernel) {
  return {family, device, "vllm-0.24.0", dtype, kv_dtype, kernel};
}

}  // namespace

Judged few_rows() {
  Builder builder({"data/gemm/h100.csv"});
  const MeasurementKey gemm = key(Family::gemm, "h100-sxm", "bf16", "", "");
  for (const double predicted : {3e-6, 4e-6, 4.2e-6, 4.4e-6, 6e-6}) {
    builder.add(gemm, {4096, 7168, 16}, 4e-6, predicted, JudgeMode::left_out);
  }
  builder.group({"h100-sxm", "vllm-0.24.0", "gemm", "bf16", JudgeMode::left_out, 5, 0.1, 0.4, 0.05, 0.4, 0.6});
  const MeasurementKey moe = key(Family::moe, "h100-sxm", "fp8", "", "triton, tuned");
  builder.add(moe, {2048, 768, 8, 128, 3, 1, 1, 0, 64}, 100e-6, 104e-6, JudgeMode::left_out);
  builder.add(moe, {2048, 768, 8, 128, 3, 1, 1, 1.2, 64}, 100e-6, 108e-6, JudgeMode::left_out);
  builder.group({"h100-sxm", "vllm-0.24.0", "moe balanced", "fp8", JudgeMode::left_out, 1, 0.04, 0.04, 0.04, 1, 1});
  builder.group({"h100-sxm", "vllm-0.24.0", "moe skewed", "fp8", JudgeMode::left_out, 1, 0.08, 0.08, 0.08, 0, 1});
  builder.judgement().not_judged = 3;
  builder.judgement().why_not = "quantize fp8 on h100-sxm: too few rows";
  return builder.take();
}

Judged many_rows(std::size_t rows) {
  Builder builder({"data/all.csv"});
  for (std::size_t i = 0; i < rows; ++i) {
    const double m = std::exp2(static_cast<double>(i % 13));
    const double time = 3e-6 + 2e-9 * m * static_cast<double>(1 + i % 97);
    const double error = 1 + 0.3 * std::sin(static_cast<double>(i * i % 1009));
    builder.add(key(Family::gemm, "a100-sxm", "bf16", "", ""), {4096, 4096, m}, time, time * error,
                JudgeMode::left_out);
    builder.add(key(Family::attention_decode, "h100-sxm", "bf16", "fp8", "paged"), {32, 8, 128, m, 2048, 0}, 2 * time,
                2 * time * std::sqrt(error), JudgeMode::left_out);
    builder.add(key(Family::collective, "h200-sxm", "bf16", "", "all_reduce"), {m * 1024, 8, 8}, time,
                1.1 * time * error, JudgeMode::borrowed);
  }
  builder.group({"a100-sxm", "vllm-0.24.0", "gemm", "bf16", JudgeMode::left_out, rows, 0.2, 0.3, 0, 0.5, 0.9});
  builder.group({"h100-sxm", "vllm-0.24.0", "attention_decode", "bf16 kv=fp8", JudgeMode::left_out, rows, 0.1, 0.15, 0,
                 0.5, 0.9});
  builder.group({"h200-sxm", "vllm-0.24.0", "collective", "bf16", JudgeMode::borrowed, rows, 0.2, 0.4, 0.1, 0.5, 0.9});
  return builder.take();
}

}  // namespace moesaic::fixture
