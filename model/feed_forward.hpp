// The kinds of feed-forward layer: dense, or a mixture of experts.
#pragma once

#include <cstdint>
#include <variant>

namespace moesaic {

struct DenseFeedForward {
  std::int64_t width = 0;
  int matrices = 3;  ///< 3: gated (gate, up, down); 2: up, down
  bool bias = false;
  bool operator==(const DenseFeedForward&) const = default;
};

struct MoeFeedForward {
  std::int64_t experts = 0;
  std::int64_t experts_per_token = 0;
  std::int64_t width = 0;  ///< of one routed expert
  int matrices = 3;
  std::int64_t shared_width = 0;  ///< of all always-on shared experts together; 0: none
  bool shared_gate = false;       ///< a sigmoid gate on the shared expert (Qwen2-MoE)
  bool bias = false;
  std::int64_t node_limit = 0;  ///< most expert groups a token may use (node-limited routing); 0: no limit
  std::int64_t groups = 0;      ///< expert groups that node_limit counts
  bool operator==(const MoeFeedForward&) const = default;
};

using FeedForward = std::variant<DenseFeedForward, MoeFeedForward>;

/// Weights of one routed expert.
double expert_parameters(const MoeFeedForward& moe, std::int64_t hidden);
/// Weights of the always-on shared experts together.
double shared_expert_parameters(const MoeFeedForward& moe, std::int64_t hidden);
/// Weights of the router and of the shared expert's gate.
double router_parameters(const MoeFeedForward& moe, std::int64_t hidden);
/// Weights of one layer's feed-forward, router included.
double feed_forward_parameters(const FeedForward& feed_forward, std::int64_t hidden);
/// Of these, the ones one token uses.
double feed_forward_active_parameters(const FeedForward& feed_forward, std::int64_t hidden);

}  // namespace moesaic
