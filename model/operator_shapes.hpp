// Small constructors shared by the files that write layers out as operators.
#pragma once

#include <vector>

#include "model/layer_operators.hpp"

namespace moesaic {

/// RMSNorm with the residual addition fused in, over `tokens` rows.
Operator norm(double tokens, const LayerContext& context);

/// A collective of a group; nothing for one rank.
void append_collective(CollectiveKind kind, const char* label, RankGroup group, Bytes bytes,
                       std::vector<Operator>& out);

/// Tokens that a rank holds between blocks: its part of the group's under sequence parallelism, else all of them.
double block_tokens(const RankBatch& batch, const LayerContext& context);
/// Under sequence parallelism: the group's tokens from its ranks' parts, before a tensor-parallel product.
void append_gather(const LayerContext& context, const RankBatch& batch, const char* label, std::vector<Operator>& out);
/// The sum of the group's partial results; under sequence parallelism each rank gets its part of the tokens.
void append_reduction(const LayerContext& context, const RankBatch& batch, const char* label,
                      std::vector<Operator>& out);

/// The scores-and-values operator of one batch group; `window` 0: full attention. Chooses prefill or decode by the
/// group's new tokens.
Operator scores(const BatchGroup& group, double heads, double kv_heads, double qk_dim, double v_dim, double window,
                bool chunked, const Precision& precision);

}  // namespace moesaic
