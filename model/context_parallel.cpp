// Context parallelism: what each rank of those that share sequences computes, and what they tell each other.
#include <algorithm>

#include "model/operator_shapes.hpp"

namespace moesaic {

BatchGroup context_share(const BatchGroup& group, int ranks) {
  if (group.new_tokens == 1) {
    return {group.sequences, 1, std::max(1.0, (group.context + 1) / ranks) - 1};
  }
  const double own = group.new_tokens / ranks;
  return {group.sequences, own, group.context + (group.new_tokens - own) / 2};
}

Operator scores(const BatchGroup& group, double heads, double kv_heads, double qk_dim, double v_dim, double window,
                bool chunked, const Precision& precision, int ranks) {
  const bool decode = group.new_tokens == 1;
  const BatchGroup share = ranks > 1 ? context_share(group, ranks) : group;
  const double pairs = attention_pairs(group.new_tokens, group.context, window, chunked) / ranks;
  const double read = attention_read_tokens(group.new_tokens, group.context, window, chunked);
  const double cached = (read - group.new_tokens) / ranks;
  return {decode ? OperatorKind::attention_decode : OperatorKind::attention_prefill, "scores",
          SoftmaxScores{.sequences = group.sequences,
                        .new_tokens = share.new_tokens,
                        .context = share.context,
                        .heads = heads,
                        .kv_heads = kv_heads,
                        .qk_dim = qk_dim,
                        .v_dim = v_dim,
                        .window = window,
                        .chunked = chunked,
                        .pairs = decode ? std::max(1.0, pairs) : pairs,
                        .read_tokens = decode ? std::max(1.0, read / ranks) : read,
                        .cached = precision.kv.bytes(group.sequences * cached * kv_heads * (qk_dim + v_dim)),
                        .kv = precision.kv,
                        .activations = precision.activations,
                        .arithmetic = precision.score_arithmetic}};
}

void append_context_gather(const BatchGroup& group, const LayerContext& context, double read_tokens, Bytes token_bytes,
                           Bytes query_bytes, std::vector<Operator>& out) {
  const RankGroup ranks = context.mapping.context_group();
  if (ranks.ranks < 2) {
    return;
  }
  if (group.new_tokens == 1) {
    append_collective(CollectiveKind::all_gather, "gather queries", ranks, query_bytes * group.sequences, out);
    return;
  }
  const Bytes all = token_bytes * (group.sequences * read_tokens);
  if (!context.mapping.context_ring) {
    append_collective(CollectiveKind::all_gather, "gather keys and values", ranks, all, out);
    return;
  }
  out.push_back({OperatorKind::collective, "pass on keys and values",
                 Collective{.kind = CollectiveKind::send_receive,
                            .bytes = all / ranks.ranks,
                            .ranks = ranks.ranks,
                            .stride = ranks.stride,
                            .rounds = ranks.ranks - 1.0},
                 Beside::starts});
}

void append_context_combine(const BatchGroup& group, const LayerContext& context, double heads, double width,
                            std::vector<Operator>& out) {
  const RankGroup ranks = context.mapping.context_group();
  if (ranks.ranks < 2 || group.new_tokens != 1) {
    return;
  }
  constexpr double kLogSumExp = 4;  // bytes of one fp32
  const StorageType& type = context.precision->activations;
  append_collective(CollectiveKind::all_to_all, "exchange outputs", ranks,
                    type.bytes(group.sequences * width) + Bytes{group.sequences * heads * kLogSumExp}, out);
  out.push_back({OperatorKind::activation, "combine outputs",
                 Elementwise{.elements_read = group.sequences * width,
                             .elements_written = group.sequences * width / ranks.ranks,
                             .flops_per_element = 2,
                             .type = type}});
}

void append_state_gather(const BatchGroup& group, const LayerContext& context, double elements,
                         std::vector<Operator>& out) {
  const RankGroup ranks = context.mapping.context_group();
  if (ranks.ranks < 2 || group.new_tokens == 1) {
    return;
  }
  const double all = group.sequences * elements * ranks.ranks;
  out.push_back({OperatorKind::collective, "gather states",
                 Collective{.kind = CollectiveKind::all_gather,
                            .bytes = context.precision->state.bytes(all),
                            .ranks = ranks.ranks,
                            .stride = ranks.stride},
                 Beside::starts});
}

}  // namespace moesaic
