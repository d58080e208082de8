// Small constructors shared by the files that write layers out as operators.
#pragma once

#include <vector>

#include "model/layer_operators.hpp"

namespace moesaic {

/// RMSNorm with the residual addition fused in, over `tokens` rows.
Operator norm(double tokens, const LayerContext& context);

/// A collective over `ranks` ranks; nothing for one rank.
void append_collective(CollectiveKind kind, const char* label, int ranks, Bytes bytes, std::vector<Operator>& out);

/// The scores-and-values operator of one batch group; `window` 0: full attention. Chooses prefill or decode by the
/// group's new tokens.
Operator scores(const BatchGroup& group, double heads, double kv_heads, double qk_dim, double v_dim, double window,
                bool chunked, const Precision& precision);

}  // namespace moesaic
