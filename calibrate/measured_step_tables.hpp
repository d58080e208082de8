// Private to calibrate: one reader per published table of measured steps.
#pragma once

#include <string_view>
#include <vector>

#include "calibrate/csv.hpp"
#include "calibrate/measured_step.hpp"

namespace moesaic {

/// The current row of a table by the names of its columns. Throws BadRow.
class StepRow {
 public:
  explicit StepRow(const CsvTable& table) : table_(table) {}
  std::string_view text(std::string_view column) const;
  double number(std::string_view column) const;
  std::int64_t count(std::string_view column) const;

 private:
  const CsvTable& table_;
};

// Each appends the steps of one row, or throws UnusedRow saying why it has none.

/// Prompt and token times of Splitwise (Patel et al., arXiv 2311.18677): vLLM of 2023 on DGX A100 and H100, fp16.
void read_splitwise_step(const StepRow& row, std::vector<MeasuredStep>& steps);
/// Latencies of whole batches, the GPU baselines of CENT (Gu et al., arXiv 2502.07578): vLLM on A100, 512 tokens in,
/// 3584 out.
void read_cent_step(const StepRow& row, std::vector<MeasuredStep>& steps);
/// Serving with a constant number of requests in flight: time per output token. Columns as aiconfigurator publishes
/// them.
void read_serving_step(const StepRow& row, std::vector<MeasuredStep>& steps);

}  // namespace moesaic
