#include "sim/decoding_requests.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/error.hpp"

namespace moesaic {

/// Edges before ends, so that a request that ends is counted where it is.
bool DecodingRequests::Event::operator<(const Event& other) const {
  return std::tuple(at, !edge, request) > std::tuple(other.at, !other.edge, other.request);
}

/// How many edges lie at or below a context.
std::int64_t DecodingRequests::region(std::int64_t context) const {
  std::int64_t edges = 0;
  for (const ServingSystem::Window& window : windows_) {
    const auto tokens = static_cast<std::int64_t>(window.tokens);
    edges += window.repeats ? context / tokens : context >= tokens ? 1 : 0;
  }
  return edges;
}

void DecodingRequests::expect_edge(const Event& done) {
  const std::int64_t context = done.since + steps_;
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (const ServingSystem::Window& window : windows_) {
    const auto tokens = static_cast<std::int64_t>(window.tokens);
    if (window.repeats || context < tokens) {
      next = std::min(next, (context / tokens + 1) * tokens);
    }
  }
  if (next <= done.since + done.done) {
    Event edge = done;
    edge.at = next - done.since;
    edge.edge = true;
    events_.push(edge);
  }
}

void DecodingRequests::add(std::uint32_t request, std::int64_t context, std::int64_t steps) {
  MOESAIC_ASSERT(steps >= 1);
  const Event done{steps_ + steps, steps_ + steps, context - steps_, request, false};
  events_.push(done);
  expect_edge(done);
  Group& group = groups_[region(context)];
  ++group.requests;
  group.since += done.since;
  ++size_;
}

void DecodingRequests::advance(std::int64_t steps, std::vector<std::uint32_t>& done) {
  MOESAIC_ASSERT(steps <= to_next_event());
  steps_ += steps;
  const auto leave = [this](const Event& event, std::int64_t where) {
    const auto group = groups_.find(where);
    group->second.since -= event.since;
    if (--group->second.requests == 0) {
      groups_.erase(group);
    }
  };
  while (!events_.empty() && events_.top().at == steps_) {
    const Event event = events_.top();
    events_.pop();
    const std::int64_t context = event.since + steps_;
    if (event.edge) {
      leave(event, region(context - 1));
      Group& group = groups_[region(context)];
      ++group.requests;
      group.since += event.since;
      expect_edge(event);
    } else {
      leave(event, region(context));
      --size_;
      done.push_back(event.request);
    }
  }
}

double DecodingRequests::mean_context() const {
  std::int64_t sum = size_ * steps_;
  for (const auto& [where, group] : groups_) {
    sum += group.since;
  }
  return static_cast<double>(sum) / static_cast<double>(size_);
}

Batch DecodingRequests::batch(double later) const {
  Batch batch;
  for (const auto& [where, group] : groups_) {
    const auto requests = static_cast<double>(group.requests);
    batch.groups.push_back(
        {requests, 1, static_cast<double>(group.since + group.requests * steps_) / requests + later});
  }
  return batch;
}

}  // namespace moesaic
