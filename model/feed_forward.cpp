#include "model/feed_forward.hpp"

#include "model/real.hpp"

namespace moesaic {
namespace {

double matrices(std::int64_t count, std::int64_t hidden, std::int64_t width) {
  return real(count) * real(hidden) * real(width);
}

double moe_parameters(const MoeFeedForward& moe, std::int64_t hidden, std::int64_t experts) {
  return real(experts) * expert_parameters(moe, hidden) + shared_expert_parameters(moe, hidden) +
         router_parameters(moe, hidden);
}

}  // namespace

double expert_parameters(const MoeFeedForward& moe, std::int64_t hidden) {
  return matrices(moe.matrices, hidden, moe.width);
}

double shared_expert_parameters(const MoeFeedForward& moe, std::int64_t hidden) {
  return matrices(moe.matrices, hidden, moe.shared_width);
}

double router_parameters(const MoeFeedForward& moe, std::int64_t hidden) {
  return real(hidden) * (real(moe.experts) + (moe.shared_gate ? 1 : 0));
}

double feed_forward_parameters(const FeedForward& feed_forward, std::int64_t hidden) {
  if (const auto* moe = std::get_if<MoeFeedForward>(&feed_forward)) {
    return moe_parameters(*moe, hidden, moe->experts);
  }
  const auto& dense = std::get<DenseFeedForward>(feed_forward);
  return matrices(dense.matrices, hidden, dense.width);
}

double feed_forward_active_parameters(const FeedForward& feed_forward, std::int64_t hidden) {
  if (const auto* moe = std::get_if<MoeFeedForward>(&feed_forward)) {
    return moe_parameters(*moe, hidden, moe->experts_per_token);
  }
  return feed_forward_parameters(feed_forward, hidden);
}

}  // namespace moesaic
