// Private to the readers: which weights the module names and patterns of a quantization_config mean.
#pragma once

#include <cstdint>
#include <vector>

#include "base/config.hpp"

namespace moesaic::huggingface {

/// The classes of weights that Precision tells apart. Routers, norms and other small modules are in none.
struct Parts {
  bool attention = false;
  bool dense = false;  ///< dense feed-forward and shared experts
  bool experts = false;
  bool embedding = false;  ///< input table and lm_head
  Parts operator|(const Parts& other) const {
    return {attention || other.attention, dense || other.dense, experts || other.experts, embedding || other.embedding};
  }
};

/// The layers of matrices that quantization schemes mean by "Linear": all but the input table and lm_head.
inline constexpr Parts kLinearLayers{true, true, true, false};

/// The classes that a list of module names, globs or "re:" patterns covers. A class counts as covered if a name covers
/// it in every layer, or names single layers that are at least half of all. Throws UserError for a name that means no
/// known part.
Parts covered_parts(const std::vector<Config>& names, std::int64_t layers);

}  // namespace moesaic::huggingface
