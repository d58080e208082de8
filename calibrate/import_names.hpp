// Private to calibrate: what others call devices, formats and routings, in our words. One place for all importers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace moesaic {

/// "h100_sxm" and "NVIDIA H100 80GB HBM3" are "h100-sxm"; what nobody knows keeps its name, in lower case and with
/// dashes.
std::string device_name(std::string_view theirs);
/// "bfloat16" is "bf16", "fp8_block" is "fp8-block".
std::string dtype_name(std::string_view theirs);
/// "vllm" and "0.24.0" make "vllm-0.24.0"; an engine alone stands for itself.
std::string stack_name(std::string_view engine, std::string_view version);
/// "alltoall" is "all_to_all".
std::string collective_name(std::string_view theirs);
/// The exponent of a power law of expert loads: 1.2 for "power_law_1.2" and "power_law_1.2_eplb", 0 for "balanced" and
/// "uniform". Throws UnusedRow for any other distribution.
double skew(std::string_view distribution);
/// 1 where hot experts have copies ("..._eplb"), else 0.
double balanced_by_copies(std::string_view distribution);
/// Matrices of an expert: 3 (gate, up, down), or 2 where there is no gate.
int expert_matrices(std::string_view kernel, double hidden, double inter, double topk, double experts);
/// GPUs of a node of this device (its catalog name) as the sources measured it.
int gpus_per_node(std::string_view device);

}  // namespace moesaic
