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

/// The scores-and-values operator of one batch group on one rank; `window` 0: full attention. Chooses prefill or decode
/// by the group's new tokens. Of `ranks` context-parallel ranks each has as many of the pairs: a part of the queries
/// and all keys of a prompt, all queries and a part of the cache while decoding.
Operator scores(const BatchGroup& group, double heads, double kv_heads, double qk_dim, double v_dim, double window,
                bool chunked, const Precision& precision, int ranks);

// Context parallelism, in context_parallel.cpp: what ranks that share sequences tell each other. Nothing where they
// share none.

/// Before the scores. Prompts: keys and values, `token_bytes` for each token that is read, around a ring beside the
/// scores (Ring Attention, 2310.01889) or gathered first. Decoding: `query_bytes` for each sequence, gathered.
void append_context_gather(const BatchGroup& group, const LayerContext& context, double read_tokens, Bytes token_bytes,
                           Bytes query_bytes, std::vector<Operator>& out);
/// After the scores of a decoding group: every rank's part of every output, of `width` elements over `heads` heads, to
/// the rank that goes on with the sequence, which adds them up by their log-sum-exps.
void append_context_combine(const BatchGroup& group, const LayerContext& context, double heads, double width,
                            std::vector<Operator>& out);
/// The states that the ranks' parts of every prompt leave (`elements` a sequence), gathered once and summed up to each
/// rank's part (LASP-2, 2502.07563), beside the update that comes next.
void append_state_gather(const BatchGroup& group, const LayerContext& context, double elements,
                         std::vector<Operator>& out);

}  // namespace moesaic
