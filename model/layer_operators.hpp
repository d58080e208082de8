// A layer written out as the operators of one rank, free of hardware and placement.
#pragma once

#include <vector>

#include "model/architecture.hpp"
#include "model/batch.hpp"
#include "model/expert_exchange.hpp"
#include "model/layer_weights.hpp"
#include "model/mapping.hpp"
#include "model/operator.hpp"
#include "model/overlap.hpp"
#include "model/routing.hpp"

namespace moesaic {

/// What the operators of a layer depend on besides the layer itself.
struct LayerContext {
  std::int64_t hidden = 0;
  std::int64_t vocabulary = 0;
  const Precision* precision = nullptr;
  Mapping mapping;
  const RankLoadTable* routing = nullptr;         ///< of this layer's experts
  bool balanced_routing = false;                  ///< idealisation: every rank gets its even share
  const ExchangeLoads* exchange_loads = nullptr;  ///< of this layer, where the replica has several nodes
  int nodes = 1;
  ExchangeKind exchange = ExchangeKind::automatic;
  /// Rows that an expert takes at most, as a multiple of the even share: what is over is dropped, what is short padded.
  /// 0: all rows, no padding.
  double capacity_factor = 0;
  Overlap overlap{};
  /// A step of training: no cache is written, and every token has logits.
  bool training = false;
};

/// The part of a batch that the `tensor` x `context` devices of one data-parallel group work on.
struct RankBatch {
  std::vector<BatchGroup> groups;  ///< whole sequences
  double sequences = 0;            ///< whose last tokens one rank has
  double tokens = 0;               ///< that one rank works on
  double replica_tokens = 0;       ///< of the whole replica
  bool decodes = false;            ///< one new token for every sequence
  bool operator==(const RankBatch&) const = default;
};
/// The busiest rank's share: sequences are dealt to `data` groups, the fullest has the ceiling. Of `context` ranks each
/// has as many tokens of every prompt, and while decoding the new tokens of some of the sequences.
void share_batch(const Batch& batch, const Mapping& mapping, RankBatch& out);
/// The rank's batch in up to `parts` parts, whole sequences each: fewer where there are fewer sequences.
void split_batch(const RankBatch& batch, const Mapping& mapping, int parts, std::vector<RankBatch>& out);

/// Appends the operators of one layer in the order they run, collectives included.
void append_layer(const LayerKind& layer, const LayerContext& context, const RankBatch& batch,
                  std::vector<Operator>& out);
/// Embedding look-up.
void append_input(const LayerContext& context, const RankBatch& batch, std::vector<Operator>& out);
/// Final norm, lm_head over the last token of every sequence, sampling.
void append_output(const LayerContext& context, const RankBatch& batch, std::vector<Operator>& out);

/// A combination with the same totals as the causal attention of one of `ranks` ranks that each hold two opposite
/// pieces of every prompt (zig-zag: all have equally many pairs): `new_tokens` / ranks queries that each see as many
/// keys in the mean.
BatchGroup context_share(const BatchGroup& group, int ranks);

/// The residual stream of a rank's tokens to the same rank of the next pipeline stage, `times` times.
void append_stage_transfer(const LayerContext& context, const RankBatch& batch, double times,
                           std::vector<Operator>& out);

// The pieces, one file each.
void append_attention(const Attention& attention, const LayerContext& context, const RankBatch& batch,
                      std::vector<Operator>& out);
void append_feed_forward(const FeedForward& feed_forward, const LayerContext& context, const RankBatch& batch,
                         std::vector<Operator>& out);

/// Bytes of one layer's weights on one rank (the fullest one).
LayerWeights layer_weights_of(const LayerKind& layer, const LayerContext& context);
/// Bytes of input table and lm_head on one rank; the latter none where it is the former (tied embeddings).
struct EmbeddingBytes {
  Bytes input{};
  Bytes output{};
};
EmbeddingBytes embedding_weight_bytes(const Architecture& architecture, const LayerContext& context);

}  // namespace moesaic
