// Which layers each pipeline stage holds when a network is served.
#pragma once

#include <cstdint>
#include <vector>

#include "model/architecture.hpp"

namespace moesaic {

/// Stages that are alike: the same layers in the same order, and of embedding and lm_head the same parts.
struct PipelineStage {
  std::vector<std::int64_t> layers_of_kind;
  std::vector<LayerBlock> blocks;
  bool first = true;  ///< looks tokens up
  bool last = true;   ///< hands logits out; else passes its tokens on
  int alike = 1;      ///< how many of them there are
};

/// Layers over `stages` stages evenly; those that do not divide go to the stages before the last, the latest first, as
/// vLLM does: the last one has lm_head. Distinct stages in their order.
std::vector<PipelineStage> pipeline_stages(const Architecture& architecture, int stages);

}  // namespace moesaic
