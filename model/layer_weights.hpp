// What of a layer has to be held, by what can be kept in different places.
#pragma once

#include "base/quantity.hpp"

namespace moesaic {

/// Bytes of one layer's weights on one rank.
struct LayerWeights {
  Bytes dense;              ///< attention, shared experts, router, dense feed-forward
  Bytes experts;            ///< all routed experts that the rank holds
  double expert_count = 0;  ///< their number
  bool on_device = false;   ///< wholly, whatever the placement does with others
  Bytes total() const { return dense + experts; }
};

}  // namespace moesaic
