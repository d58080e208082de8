// What a training step does and holds, besides the network, the machine and the mapping.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/pipeline_schedule.hpp"

namespace moesaic {

/// What is computed again in the backward pass instead of being kept.
enum class Recompute : std::uint8_t {
  none,
  /// What takes much memory for little arithmetic: attention where its scores are written out (2205.05198); else norms,
  /// activation functions and MLA's up-projections (2412.19437 section 3.2.3).
  selective,
  full  ///< whole layers from their inputs
};
/// What data-parallel ranks divide instead of each holding all of it (ZeRO, 1910.02054).
enum class ZeroStage : std::uint8_t { none, optimizer, gradients, weights };

Recompute parse_recompute(std::string_view text);  ///< "none", "selective", "full". Throws UserError.
ZeroStage parse_zero(std::string_view text);       ///< "0" to "3". Throws UserError.
std::string_view name(Recompute recompute);

/// One step: `global_batch` sequences of `sequence` tokens, in micro-batches of `micro_batch` sequences a replica.
struct Training {
  std::int64_t global_batch = 256;
  std::int64_t micro_batch = 1;
  std::int64_t sequence = 4096;
  Recompute recompute = Recompute::none;
  ZeroStage zero = ZeroStage::optimizer;
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  bool unfused_attention = false;  ///< scores are written to memory (before FlashAttention)
  double capacity_factor = 0;      ///< of experts; 0: dropless
  bool overlap_gradients = true;   ///< reductions run beside the backward pass of the last micro-batch
  bool overlap_weights = true;     ///< gathers of updated weights run beside the first forward pass
};

}  // namespace moesaic
