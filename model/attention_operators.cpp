// Attention layers written out as operators, one function per kind.
#include <algorithm>
#include <cmath>

#include "model/operator_shapes.hpp"
#include "model/real.hpp"

namespace moesaic {
namespace {

struct AttentionWriter {
  const LayerContext& context;
  const RankBatch& batch;
  std::vector<Operator>& out;
  const Precision& precision = *context.precision;
  double hidden = real(context.hidden);
  double ranks = context.mapping.tensor;
  int context_ranks = context.mapping.context;

  /// Sequences of a decoding group whose new tokens this rank works on, outside of scores.
  double decoded_here(const BatchGroup& group) const {
    return context_ranks == 1 ? group.sequences : std::ceil(group.sequences / context_ranks);
  }

  void project(const char* label, double m, double n, double k, double count = 1) const {
    if (m <= 0) {
      return;
    }
    out.push_back({OperatorKind::projection, label,
                   Gemm{.m = m,
                        .n = n,
                        .k = k,
                        .count = count,
                        .weights = precision.attention_weights,
                        .activations = precision.activations,
                        .arithmetic = precision.attention_arithmetic}});
  }

  /// Rotary embedding over `rotated` elements a token, and the write of `cached` bytes a token into the cache.
  void rotate(double rotated, Bytes cached) const {
    out.push_back({OperatorKind::rotary, "rotary",
                   Elementwise{.elements_read = batch.tokens * rotated,
                               .elements_written = batch.tokens * rotated,
                               .flops_per_element = 3,
                               .type = precision.activations,
                               .cache_written = context.training ? Bytes{} : cached * batch.tokens}});
  }

  void grouped_projection(const char* label, double experts, double top_k, double in, double width) const {
    const double tokens = batch.tokens;
    const double share = top_k / experts;
    out.push_back({OperatorKind::experts, label,
                   GroupedGemm{.tokens = tokens,
                               .rows = tokens * top_k,
                               .distinct = experts * -std::expm1(tokens * std::log1p(-std::min(share, 1 - 1e-12))),
                               .experts = experts,
                               .top_k = top_k,
                               .hidden = in,
                               .width = width,
                               .matrices = 1,
                               .weights = precision.attention_weights,
                               .activations = precision.activations,
                               .arithmetic = precision.attention_arithmetic}});
  }

  /// The sum over the ranks of the output projection's partial results. With data-parallel attention and experts spread
  /// over all devices every rank goes on with its share of the tokens.
  void reduce() const { append_reduction(context, batch, "reduce attention", out); }

  void begin() const {
    out.push_back(norm(block_tokens(batch, context), context));
    append_gather(context, batch, "gather attention", out);
  }

  void operator()(const SoftmaxAttention& a) const {
    const double heads = real(a.heads) / ranks;
    const double kv_heads = std::max(1.0, real(a.kv_heads) / ranks);
    const double q_width = heads * real(a.qk_dim) * (a.output_gate ? 2 : 1);
    const double kv_width = kv_heads * real(a.qk_dim + a.v_dim);
    begin();
    if (a.experts > 0) {
      const double top_k = real(a.experts_per_token);
      out.push_back({OperatorKind::router, "attention router",
                     Gemm{.m = batch.tokens,
                          .n = real(a.experts),
                          .k = hidden,
                          .weights = precision.router_weights,
                          .activations = precision.activations,
                          .arithmetic = precision.embedding_arithmetic}});
      project("kv", batch.tokens, kv_width, hidden);
      grouped_projection("expert queries", real(a.experts), top_k, hidden, q_width / top_k);
    } else {
      project("qkv", batch.tokens, q_width + kv_width, hidden);
    }
    rotate(heads * real(a.qk_dim) + kv_heads * real(a.qk_dim), precision.kv.bytes(kv_width));
    const double o_width = heads * real(a.v_dim);
    for (const BatchGroup& group : batch.groups) {
      const double read = attention_read_tokens(group.new_tokens, group.context, real(a.window), a.chunked);
      append_context_gather(group, context, read, precision.activations.bytes(kv_width),
                            precision.activations.bytes(heads * real(a.qk_dim) + kv_width), out);
      out.push_back(scores(group, heads, kv_heads, real(a.qk_dim), real(a.v_dim), real(a.window), a.chunked, precision,
                           context_ranks));
      append_context_combine(group, context, heads, o_width, out);
    }
    const std::size_t reader = out.size();
    if (a.output_gate) {
      out.push_back({OperatorKind::activation, "output gate",
                     Elementwise{.elements_read = 2 * batch.tokens * o_width,
                                 .elements_written = batch.tokens * o_width,
                                 .flops_per_element = 2,
                                 .type = precision.activations}});
    }
    if (a.experts > 0) {
      const double top_k = real(a.experts_per_token);
      grouped_projection("expert outputs", real(a.experts), top_k, o_width / top_k, hidden);
    } else {
      project("o", batch.tokens, hidden, o_width);
    }
    out[reader].beside = Beside::joins;
    reduce();
  }

  /// MLA: prefill rebuilds keys and values of every head from the latent (unabsorbed), decode attends in the latent
  /// (absorbed). The latent is not split by tensor parallelism.
  void operator()(const LatentAttention& a) const {
    const double heads = real(a.heads) / ranks;
    const double nope = real(a.nope_dim), rope = real(a.rope_dim), v = real(a.v_dim), rank = real(a.kv_rank);
    const double query_in = a.q_rank > 0 ? real(a.q_rank) : hidden;
    begin();
    project("latent down", batch.tokens, rank + rope + (a.q_rank > 0 ? real(a.q_rank) : 0), hidden);
    project("q up", batch.tokens, heads * (nope + rope), query_in);
    rotate(heads * rope + rope, precision.kv.bytes(rank + rope) + precision.index_keys.bytes(indexer_key_elements(a)));
    const double latent = rank + rope;
    const Bytes token_bytes = precision.activations.bytes(latent) + precision.index_keys.bytes(indexer_key_elements(a));
    const Bytes query_bytes = precision.activations.bytes((heads + 1) * latent + real(a.indexer.heads * a.indexer.dim));
    double decode_tokens = 0, rebuilt_tokens = 0;
    for (const BatchGroup& group : batch.groups) {
      if (group.new_tokens == 1) {
        decode_tokens += decoded_here(group);
      } else {
        // Latents are passed on while others are turned into keys and values.
        append_context_gather(group, context, group.new_tokens + group.context, token_bytes, query_bytes, out);
        rebuilt_tokens += group.sequences * (group.new_tokens + group.context);
      }
    }
    if (a.indexer.top_k > 0) {
      index(a, query_in);
    }
    // Whichever form runs reads the up-projection of keys and values once.
    project("absorb q", decode_tokens, rank, nope, heads);
    project("kv up", rebuilt_tokens, heads * (nope + v), rank);
    for (const BatchGroup& group : batch.groups) {
      const bool absorbed = group.new_tokens == 1;
      const double window = real(a.indexer.top_k);
      if (absorbed) {
        append_context_gather(group, context, 0, token_bytes, query_bytes, out);
      }
      Operator op = absorbed ? scores(group, heads, 1, latent, rank, window, false, precision, context_ranks)
                             : scores(group, heads, heads, nope + rope, v, window, false, precision, context_ranks);
      auto& shape = std::get<SoftmaxScores>(op.shape);
      shape.shared_kv = absorbed;
      shape.cached = precision.kv.bytes(group.sequences * group.context / context_ranks * latent);
      if (!absorbed) {
        shape.kv = precision.activations;  // rebuilt keys and values, not the cached latent
      }
      out.push_back(op);
      append_context_combine(group, context, heads, heads * rank, out);
    }
    const std::size_t reader = out.size();
    project("absorb v", decode_tokens, v, rank, heads);
    project("o", batch.tokens, hidden, heads * v);
    out[reader].beside = Beside::joins;
    reduce();
  }

  /// DeepSeek Sparse Attention's lightning indexer: light heads score every cached token; its keys are cached too.
  void index(const LatentAttention& a, double query_in) const {
    const double heads = real(a.indexer.heads), dim = real(a.indexer.dim);
    project("index q", batch.tokens, heads * dim, query_in);
    project("index k", batch.tokens, dim + heads, hidden);
    for (const BatchGroup& group : batch.groups) {
      Operator op = scores(group, heads, 1, dim, 0, 0, false, precision, context_ranks);
      op.label = "index scores";
      auto& shape = std::get<SoftmaxScores>(op.shape);
      shape.kv = precision.index_keys;
      shape.cached = precision.index_keys.bytes(group.sequences * group.context / context_ranks * dim);
      shape.arithmetic = precision.attention_arithmetic;
      out.push_back(op);
    }
  }

  /// Linear attention; heads and with them its FLOPs are split over the ranks. Of context-parallel ranks each has a
  /// part of every prompt, and while decoding the states of some of the sequences. `passed_on`: elements that later
  /// parts of a sequence need of an earlier one.
  void update(const char* label, const Attention& attention, const BatchGroup& group, double state, double passed_on,
              double token_elements) const {
    const bool decodes = group.new_tokens == 1;
    const double sequences = decodes ? decoded_here(group) : group.sequences;
    const double new_tokens = decodes ? 1 : group.new_tokens / context_ranks;
    const double flops = linear_attention_flops_per_token(attention, new_tokens) / ranks;
    append_state_gather(group, context, passed_on, out);
    out.push_back({OperatorKind::state_update, label,
                   StateUpdate{.sequences = sequences,
                               .new_tokens = new_tokens,
                               .state_elements = state,
                               .token_elements = token_elements,
                               .flops = Flops{sequences * new_tokens * flops},
                               .state = precision.state,
                               .activations = precision.activations,
                               .arithmetic = precision.score_arithmetic}});
  }

  void operator()(const LightningAttention& a) const {
    const double heads = real(a.heads) / ranks, dim = real(a.head_dim), width = heads * dim;
    begin();
    project("qkv and gate", batch.tokens, 4 * width, hidden);
    for (const BatchGroup& group : batch.groups) {
      update("linear attention", a, group, heads * dim * dim, heads * dim * dim, 4 * width);
    }
    const std::size_t reader = out.size();
    out.push_back({OperatorKind::activation, "output gate",
                   Elementwise{.elements_read = 2 * batch.tokens * width,
                               .elements_written = batch.tokens * width,
                               .flops_per_element = 2,
                               .type = precision.activations}});
    out[reader].beside = Beside::joins;
    project("o", batch.tokens, hidden, width);
    reduce();
  }

  void operator()(const GatedDeltaNet& a) const {
    const double key_heads = std::max(1.0, real(a.key_heads) / ranks), value_heads = real(a.value_heads) / ranks;
    const double keys = key_heads * real(a.key_dim), values = value_heads * real(a.value_dim);
    begin();
    project("qkvz", batch.tokens, 2 * keys + 2 * values, hidden);
    project("ba", batch.tokens, 2 * value_heads, hidden);
    const double convolved = 2 * keys + values;
    out.push_back({OperatorKind::activation, "convolution",
                   Elementwise{.elements_read = batch.tokens * convolved,
                               .elements_written = batch.tokens * convolved,
                               .flops_per_element = 2 * real(a.conv_kernel),
                               .type = precision.activations,
                               .weights = precision.router_weights.bytes(convolved * real(a.conv_kernel))}});
    const double state = value_heads * real(a.key_dim) * real(a.value_dim);
    for (const BatchGroup& group : batch.groups) {
      // A part of a sequence also turns the state that it finds: a matrix of keys by keys a head.
      update("delta rule", a, group, state, state + value_heads * real(a.key_dim) * real(a.key_dim),
             convolved + values);
    }
    const std::size_t reader = out.size();
    out.push_back({OperatorKind::activation, "output gate",
                   Elementwise{.elements_read = 2 * batch.tokens * values,
                               .elements_written = batch.tokens * values,
                               .flops_per_element = 4,
                               .type = precision.activations}});
    out[reader].beside = Beside::joins;
    project("o", batch.tokens, hidden, values);
    reduce();
  }
};

}  // namespace

void append_attention(const Attention& attention, const LayerContext& context, const RankBatch& batch,
                      std::vector<Operator>& out) {
  std::visit(AttentionWriter{context, batch, out}, attention);
}

}  // namespace moesaic
