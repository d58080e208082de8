// Measured steps of whole networks: what was run, and how long it took. Readers of published tables.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// What a measured time covers.
enum class StepKind : std::uint8_t {
  prefill,      ///< one batch of prompts
  decode,       ///< one token of every request of a batch, mean over a generation
  generation,   ///< prompt and all tokens of a batch
  closed_loop,  ///< time per output token under a constant number of requests in flight
  layer,        ///< kernels of one layer for one batch of prompts, profiled one by one and added up
};
std::string_view name(StepKind kind);

/// In the words of the command line: what to deploy, its load, and the time.
struct MeasuredStep {
  StepKind kind = StepKind::decode;
  std::string file;  ///< in the folder of its kind: "layers_vidur/dense_layer_ops.csv"
  std::uint32_t line = 0;
  std::string device;      ///< catalog name
  std::string stack;       ///< kernels: "vllm", "trtllm", "sglang"
  std::string software;    ///< whose terms: the stack, or another way to run it ("vllm-2023"); empty for a layer
  std::string model;       ///< catalog name
  std::string format;      ///< as the source says: "fp8"
  std::string precision;   ///< as --dtype takes it
  std::string mapping;     ///< as --map takes it
  std::int64_t batch = 1;  ///< requests at once, of the whole replica
  std::int64_t input = 1;
  std::int64_t output = 1;
  Seconds measured;
  std::vector<std::string> operators;  ///< of a layer: what `measured` covers, by the labels of the step graph

  /// What a split keeps together: of a closed loop everything but the number of requests; of a fixed batch everything
  /// but the output and what of the run was timed.
  std::string configuration() const;
};

/// Steps of a folder's published tables (e2e/..., operator/...), in the order of files and lines.
struct MeasuredSteps {
  std::vector<MeasuredStep> rows;
  std::map<std::string, std::size_t> left_out;  ///< why -> rows
};
/// Throws UserError where there is no such folder or none of the tables in it.
MeasuredSteps read_measured_steps(const std::filesystem::path& folder);

/// One of two halves, by whole configurations: a function of the text alone.
bool in_fitted_half(const std::string& configuration);

}  // namespace moesaic
