// Private to calibrate: one reader per published table of measured steps.
#pragma once

#include <map>
#include <string>
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
/// Layers of dense models in fp16, all kernels but attention side by side (vidur, Agrawal et al., arXiv 2405.05465).
void read_vidur_layer(const StepRow& row, std::vector<MeasuredStep>& steps);
/// The same of Frontier, on H800. Kernels that tensor parallelism does not split are given for tp=1 alone.
void read_frontier_layer(const StepRow& row, std::vector<MeasuredStep>& steps);

/// One kernel of a layer: a row of a table that spreads a layer over rows.
struct LayerPart {
  std::string name;       ///< as the source calls it: once in a layer
  std::size_t whole = 1;  ///< kernels of the source that together are the step graph's operator
  MeasuredStep step;      ///< of the layer, with this kernel's time and operator
};

/// Layers, in the order of their first lines: the sums of kernels of one configuration, batch and input. Counted in
/// `left_out` are kernels given twice, and those that are only some of an operator.
std::vector<MeasuredStep> merge_parts(const std::vector<LayerPart>& parts,
                                      std::map<std::string, std::size_t>& left_out);

/// Kernels inside vLLM 0.19 in bf16, one a row (LLMServingSim, casys-kaist). Shards were profiled on one GPU.
LayerPart read_llmservingsim_kernel(const StepRow& row);
/// Kernels of a layer of GPT-3 175B on four A100 (LLMCompass, Zhang et al., ISCA 2024, figure 5).
LayerPart read_llmcompass_kernel(const StepRow& row);

/// The catalog's name for what a table calls a model; what nobody knows keeps its name.
std::string model_name(std::string_view theirs);

}  // namespace moesaic
