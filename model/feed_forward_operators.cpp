// Feed-forward layers written out as operators: dense, and mixtures of experts with their communication.
#include <algorithm>
#include <cmath>

#include "model/operator_shapes.hpp"
#include "model/real.hpp"

namespace moesaic {
namespace {

struct FeedForwardWriter {
  const LayerContext& context;
  const RankBatch& batch;
  std::vector<Operator>& out;
  const Precision& precision = *context.precision;
  double hidden = real(context.hidden);

  /// A feed-forward that every token of this rank passes, `ranks`-way tensor parallel.
  void dense(const char* up, const char* down, double tokens, double width, double matrices, double ranks) const {
    const double local = width / ranks;
    const auto project = [&](const char* label, double n, double k) {
      out.push_back({OperatorKind::projection, label,
                     Gemm{.m = tokens,
                          .n = n,
                          .k = k,
                          .weights = precision.dense_weights,
                          .activations = precision.activations,
                          .arithmetic = precision.dense_arithmetic}});
    };
    project(up, local * (matrices - 1), hidden);
    out.push_back({OperatorKind::activation, "activation",
                   Elementwise{.elements_read = tokens * local * (matrices - 1),
                               .elements_written = tokens * local,
                               .flops_per_element = 4,
                               .type = precision.activations}});
    project(down, hidden, local);
  }

  void operator()(const DenseFeedForward& ffn) const {
    out.push_back(norm(block_tokens(batch, context), context));
    append_gather(context, batch, "gather feed-forward", out);
    dense("up", "down", batch.tokens, real(ffn.width), ffn.matrices, context.mapping.tensor);
    append_reduction(context, batch, "reduce feed-forward", out);
  }

  ExchangeKind exchange_kind() const {
    return context.exchange != ExchangeKind::automatic ? context.exchange
           : context.exchange_loads == nullptr         ? ExchangeKind::all_to_all
           : batch.decodes                             ? ExchangeKind::low_latency
                                                       : ExchangeKind::normal;
  }

  /// As Megatron-LM does under sequence parallelism: every (token, expert) pair to its group of experts, whose slices
  /// gather the rows of all their ranks; results are summed and return.
  void exchange_pairs(const MoeFeedForward& moe, bool combine, double tokens, double imbalance,
                      StorageType wire) const {
    const Mapping& mapping = context.mapping;
    const Bytes sent = wire.bytes(tokens * real(moe.experts_per_token) * imbalance * hidden);
    const auto across_slices = [&] {
      append_collective(combine ? CollectiveKind::reduce_scatter : CollectiveKind::all_gather,
                        combine ? "reduce slices" : "gather slices", mapping.expert_tensor_group(),
                        sent * mapping.expert_tensor(), out);
    };
    if (combine) {
      across_slices();
    }
    append_collective(CollectiveKind::all_to_all, combine ? "combine" : "dispatch", mapping.expert_group(), sent, out);
    if (!combine) {
      across_slices();
    }
  }

  /// Tokens of this rank to the ranks of their experts, or their results back.
  void exchange(const MoeFeedForward& moe, bool combine, double tokens, double imbalance, StorageType wire) const {
    const Mapping& mapping = context.mapping;
    const char* label = combine ? "combine" : "dispatch";
    const int ranks = mapping.expert * mapping.expert_tensor();
    const ExchangeKind kind = exchange_kind();
    if (mapping.sequence && context.exchange_loads == nullptr) {
      exchange_pairs(moe, combine, tokens, imbalance, wire);
      return;
    }
    if (context.exchange_loads == nullptr) {
      const double copies =
          distinct_blocks(real(moe.experts), real(moe.experts_per_token), mapping.expert) * mapping.expert_tensor();
      const Bytes sent = wire.bytes(tokens * copies * imbalance * hidden);
      append_collective(CollectiveKind::all_to_all, label, RankGroup{ranks, 1}, sent, out);
      return;
    }
    const ExchangeLoad& load = load_of(*context.exchange_loads, kind);
    const ExchangeRows& rows = context.balanced_routing ? load.mean : load.busiest;
    out.push_back({OperatorKind::collective, label,
                   ExpertExchange{.combine = combine,
                                  .kind = kind,
                                  .tokens = tokens,
                                  .hidden = hidden,
                                  .top_k = real(moe.experts_per_token),
                                  .experts = real(moe.experts + mapping.redundant),
                                  .ranks = ranks,
                                  .nodes = context.nodes,
                                  .scale_up_rows = tokens * rows.scale_up,
                                  .network_rows = tokens * rows.network,
                                  .wire = wire}});
  }

  void append_router(const MoeFeedForward& moe, double routed) const {
    out.push_back({OperatorKind::router, "router",
                   Gemm{.m = routed,
                        .n = real(moe.experts) + (moe.shared_gate ? 1 : 0),
                        .k = hidden,
                        .weights = precision.router_weights,
                        .activations = precision.activations,
                        .arithmetic = precision.embedding_arithmetic}});
    out.push_back({OperatorKind::router, "top-k",
                   Elementwise{.elements_read = routed * real(moe.experts),
                               .elements_written = 2 * routed * real(moe.experts_per_token),
                               .flops_per_element = 4,
                               .type = {DType::fp32, 32}}});
  }

  void append_experts(const MoeFeedForward& moe, const RankLoad& used, double tokens, bool spread) const {
    const Mapping& mapping = context.mapping;
    out.push_back({OperatorKind::experts, "experts",
                   GroupedGemm{.tokens = tokens,
                               .rows = used.rows,
                               .distinct = used.widest,
                               .experts = real(moe.experts + mapping.redundant) / mapping.expert,
                               .ranks = static_cast<double>(mapping.expert),
                               .top_k = real(moe.experts_per_token),
                               .hidden = hidden,
                               .width = real(moe.width) / mapping.expert_tensor(),
                               .even = context.routing != nullptr && context.routing->is_even(),
                               .alike = context.routing != nullptr && context.routing->is_uniform(),
                               .matrices = static_cast<double>(moe.matrices),
                               .arrived_by = spread && context.exchange_loads != nullptr ? exchange_kind()
                                                                                         : ExchangeKind::automatic,
                               .weights = precision.expert_weights,
                               .activations = precision.activations,
                               .arithmetic = precision.expert_arithmetic}});
  }

  void append_shared(const MoeFeedForward& moe, bool spread, double own_tokens) const {
    if (moe.shared_width == 0) {
      return;
    }
    const Mapping& mapping = context.mapping;
    append_gather(context, batch, "gather shared", out);
    const bool whole = spread && !mapping.sequence;  // every device has the whole shared experts
    dense("shared up", "shared down", whole ? own_tokens : batch.tokens, real(moe.shared_width), moe.matrices,
          whole ? 1 : mapping.tensor);
    if (mapping.sequence) {
      append_reduction(context, batch, "reduce shared", out);
    }
  }

  void operator()(const MoeFeedForward& moe) const {
    const Mapping& mapping = context.mapping;
    const double group_tokens = batch.replica_tokens / mapping.expert_data();  // whose experts are one copy
    out.push_back(norm(block_tokens(batch, context), context));
    append_router(moe, block_tokens(batch, context));
    const bool spread = mapping.spreads_tokens();
    // With data-parallel attention every device sends its share of its group's tokens to the groups that hold their
    // experts; with tensor parallelism alone all devices hold all tokens already.
    const double own_tokens = batch.tokens / mapping.tensor;
    const bool beside = spread && context.overlap.kind != OverlapKind::none;
    const int chunks = beside && context.overlap.kind == OverlapKind::chunks ? context.overlap.chunks : 1;
    const auto parts = [&](auto append) {
      for (int chunk = 1; chunk <= chunks; ++chunk) {
        const std::size_t first = out.size();
        append();
        for (std::size_t i = first; i < out.size() && chunks > 1; ++i) {
          out[i].chunk = static_cast<std::uint8_t>(chunk);
        }
      }
    };
    const auto shared = [&](std::uint8_t chunk) {
      const std::size_t first = out.size();
      append_shared(moe, spread, own_tokens);
      for (std::size_t i = first; i < out.size(); ++i) {
        out[i].chunk = chunk;
      }
    };
    const double part_tokens = group_tokens / chunks;
    const RankLoad even = context.routing->balanced(part_tokens);
    RankLoad used = context.balanced_routing ? even : context.routing->busiest(part_tokens);
    if (context.capacity_factor > 0) {
      const double held = real(moe.experts + mapping.redundant) / mapping.expert;
      used = {even.rows * context.capacity_factor, held, held};
    }
    const double imbalance = used.rows > 0 ? used.rows / even.rows : 1;
    if (spread) {
      const StorageType wire =
          precision.expert_arithmetic == DType::fp8 ? StorageType{DType::fp8, 8} : precision.activations;
      const std::size_t first = out.size();
      parts([&] { exchange(moe, false, own_tokens / chunks, imbalance, wire); });
      if (beside && chunks == 1 && moe.shared_width > 0) {
        for (std::size_t i = first; i < out.size(); ++i) {
          out[i].beside = Beside::starts;
        }
      }
    }
    if (beside) {
      shared(chunks > 1 ? static_cast<std::uint8_t>(chunks + 1) : std::uint8_t{0});
    }
    parts([&] {
      append_experts(moe, used, part_tokens, spread);
      out.back().beside = Beside::joins;
      if (chunks > 1) {
        exchange(moe, true, own_tokens / chunks, imbalance, precision.activations);
      }
    });
    if (spread && chunks == 1) {
      exchange(moe, true, own_tokens, imbalance, precision.activations);
    }
    if (!beside) {
      shared(0);
    }
    if (!spread) {
      append_collective(CollectiveKind::all_reduce, "reduce experts", RankGroup{mapping.stage_devices(), 1},
                        precision.activations.bytes(batch.tokens * hidden), out);
    } else if (!mapping.sequence) {
      append_collective(CollectiveKind::all_gather, "gather tokens", mapping.tensor_group(),
                        precision.activations.bytes(batch.tokens * hidden), out);
    }
  }
};

}  // namespace

void append_feed_forward(const FeedForward& feed_forward, const LayerContext& context, const RankBatch& batch,
                         std::vector<Operator>& out) {
  std::visit(FeedForwardWriter{context, batch, out}, feed_forward);
}

}  // namespace moesaic
