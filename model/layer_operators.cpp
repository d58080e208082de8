#include "model/layer_operators.hpp"

#include <algorithm>
#include <cmath>

#include "model/operator_shapes.hpp"

namespace moesaic {

double Batch::sequences() const {
  double sum = 0;
  for (const BatchGroup& group : groups) {
    sum += group.sequences;
  }
  return sum;
}

double Batch::tokens() const {
  double sum = 0;
  for (const BatchGroup& group : groups) {
    sum += group.sequences * group.new_tokens;
  }
  return sum;
}

namespace {

/// What one rank works on of out.groups.
void count_tokens(const Mapping& mapping, RankBatch& out) {
  out.sequences = out.tokens = 0;
  out.decodes = true;
  for (const BatchGroup& group : out.groups) {
    const bool decodes = group.new_tokens == 1;
    out.decodes = out.decodes && decodes;
    const double own =
        !decodes || mapping.context == 1 ? group.sequences : std::ceil(group.sequences / mapping.context);
    out.sequences += own;
    out.tokens += decodes ? own : group.sequences * group.new_tokens / mapping.context;
  }
}

}  // namespace

void share_batch(const Batch& batch, const Mapping& mapping, RankBatch& out) {
  out.groups.clear();
  for (const BatchGroup& group : batch.groups) {
    const double sequences = mapping.data == 1 ? group.sequences : std::ceil(group.sequences / mapping.data);
    out.groups.push_back({sequences, group.new_tokens, group.context});
  }
  count_tokens(mapping, out);
  out.replica_tokens = batch.tokens();
}

void split_batch(const RankBatch& batch, const Mapping& mapping, int parts, std::vector<RankBatch>& out) {
  out.clear();
  if (parts == 1) {
    out.push_back(batch);
    return;
  }
  for (int part = 0; part < parts; ++part) {
    RankBatch& share = out.emplace_back();
    for (const BatchGroup& group : batch.groups) {
      const double each = std::ceil(group.sequences / parts);
      const double sequences = std::clamp(group.sequences - each * part, 0.0, each);
      if (sequences > 0) {
        share.groups.push_back({sequences, group.new_tokens, group.context});
      }
    }
    if (share.groups.empty()) {
      out.pop_back();
      break;
    }
    count_tokens(mapping, share);
  }
  double tokens = 0;
  for (const RankBatch& share : out) {
    tokens += share.tokens;
  }
  for (RankBatch& share : out) {
    share.replica_tokens = batch.replica_tokens * (share.tokens / tokens);
  }
}

void append_layer(const LayerKind& layer, const LayerContext& context, const RankBatch& batch,
                  std::vector<Operator>& out) {
  append_attention(layer.attention, context, batch, out);
  append_feed_forward(layer.feed_forward, context, batch, out);
}

void append_input(const LayerContext& context, const RankBatch& batch, std::vector<Operator>& out) {
  const Precision& precision = *context.precision;
  const double elements = batch.tokens * static_cast<double>(context.hidden);
  out.push_back({OperatorKind::embedding, "embedding",
                 Elementwise{.elements_written = elements,
                             .type = precision.activations,
                             .weights = precision.embedding_weights.bytes(elements)}});
}

double block_tokens(const RankBatch& batch, const LayerContext& context) {
  return context.mapping.sequence ? batch.tokens / context.mapping.tensor : batch.tokens;
}

void append_gather(const LayerContext& context, const RankBatch& batch, const char* label, std::vector<Operator>& out) {
  if (context.mapping.sequence) {
    append_collective(CollectiveKind::all_gather, label, context.mapping.tensor_group(),
                      context.precision->activations.bytes(batch.tokens * static_cast<double>(context.hidden)), out);
  }
}

void append_reduction(const LayerContext& context, const RankBatch& batch, const char* label,
                      std::vector<Operator>& out) {
  append_collective(context.mapping.sequence ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, label,
                    context.mapping.tensor_group(),
                    context.precision->activations.bytes(batch.tokens * static_cast<double>(context.hidden)), out);
}

namespace {

Operator head(double rows, const LayerContext& context) {
  const Precision& precision = *context.precision;
  return {OperatorKind::head, "lm_head",
          Gemm{.m = rows,
               .n = static_cast<double>(context.vocabulary) / context.mapping.tensor,
               .k = static_cast<double>(context.hidden),
               .weights = precision.embedding_weights,
               .activations = precision.activations,
               .arithmetic = precision.embedding_arithmetic}};
}

/// Logits of every token and their cross entropy, which tensor-parallel ranks share (Megatron-LM's vocabulary-parallel
/// loss: three all-reduces of a number a token, too small to count).
void append_training_output(const LayerContext& context, const RankBatch& batch, std::vector<Operator>& out) {
  const double logits = batch.tokens * static_cast<double>(context.vocabulary) / context.mapping.tensor;
  out.push_back(norm(block_tokens(batch, context), context));
  append_gather(context, batch, "gather output", out);
  out.push_back(head(batch.tokens, context));
  out.push_back(
      {OperatorKind::sampling, "loss",
       Elementwise{
           .elements_read = logits, .elements_written = logits, .flops_per_element = 4, .type = {DType::fp32, 32}}});
}

}  // namespace

void append_output(const LayerContext& context, const RankBatch& batch, std::vector<Operator>& out) {
  if (context.training) {
    append_training_output(context, batch, out);
    return;
  }
  const StorageType& type = context.precision->activations;
  const double logits = batch.sequences * static_cast<double>(context.vocabulary);
  out.push_back(norm(batch.sequences, context));
  out.push_back(head(batch.sequences, context));
  append_collective(CollectiveKind::all_gather, "gather logits", context.mapping.tensor_group(), type.bytes(logits),
                    out);
  out.push_back(
      {OperatorKind::sampling, "sample", Elementwise{.elements_read = logits, .flops_per_element = 2, .type = type}});
}

Operator norm(double tokens, const LayerContext& context) {
  const double elements = tokens * static_cast<double>(context.hidden);
  return {OperatorKind::norm, "norm",
          Elementwise{.elements_read = 2 * elements,  // the residual is added on the way
                      .elements_written = 2 * elements,
                      .flops_per_element = 2,
                      .type = context.precision->activations}};
}

void append_collective(CollectiveKind kind, const char* label, RankGroup group, Bytes bytes,
                       std::vector<Operator>& out) {
  if (group.ranks > 1) {
    out.push_back({OperatorKind::collective, label,
                   Collective{.kind = kind, .bytes = bytes, .ranks = group.ranks, .stride = group.stride}});
  }
}

namespace {

/// A batch of one token, in which every held expert is read: its weight reads are the weights held.
LayerWeights weights_of(const std::vector<Operator>& operators) {
  LayerWeights sum;
  for (const Operator& op : operators) {
    if (const auto* grouped = std::get_if<GroupedGemm>(&op.shape)) {
      sum.experts += grouped->weights.bytes(grouped->experts * grouped->hidden * grouped->width * grouped->matrices);
      sum.expert_count += grouped->experts;
    } else {
      sum.dense += work(op).weights;
    }
  }
  return sum;
}

}  // namespace

LayerWeights layer_weights_of(const LayerKind& layer, const LayerContext& context) {
  RankBatch one;
  share_batch(Batch::decode(context.mapping.data, 1), context.mapping, one);
  LayerContext whole = context;
  whole.overlap = {};  // chunks read the same weights again
  std::vector<Operator> operators;
  append_layer(layer, whole, one, operators);
  return weights_of(operators);
}

EmbeddingBytes embedding_weight_bytes(const Architecture& architecture, const LayerContext& context) {
  const double hidden = static_cast<double>(architecture.hidden);
  const double vocabulary = static_cast<double>(architecture.vocabulary) / context.mapping.tensor;
  const StorageType& type = context.precision->embedding_weights;
  return {type.bytes(hidden * (vocabulary + static_cast<double>(architecture.learned_positions))),
          architecture.tied_embeddings ? Bytes{} : type.bytes(hidden * vocabulary)};
}

void append_stage_transfer(const LayerContext& context, const RankBatch& batch, double times,
                           std::vector<Operator>& out) {
  const RankGroup stages = context.mapping.pipeline_group();
  if (times <= 0 || stages.ranks < 2) {
    return;
  }
  const double elements = block_tokens(batch, context) * static_cast<double>(context.hidden);
  out.push_back({OperatorKind::collective, "next stage",
                 Collective{.kind = CollectiveKind::send_receive,
                            .bytes = context.precision->activations.bytes(elements),
                            .ranks = stages.ranks,
                            .stride = stages.stride,
                            .rounds = times}});
}

}  // namespace moesaic
