// The requests of a serving run that are decoding: their contexts, and when each is done.
#pragma once

#include <cstdint>
#include <map>
#include <queue>
#include <vector>

#include "model/batch.hpp"
#include "sim/serving_system.hpp"

namespace moesaic {

/// All of them advance by one token a step. Those between the same edges of attention's windows are one group with
/// their mean context, because a request's cost is straight between edges.
class DecodingRequests {
 public:
  explicit DecodingRequests(const std::vector<ServingSystem::Window>& windows) : windows_(windows) {}

  /// `context` tokens are in its cache, `steps` (one at least) more steps give its tokens.
  void add(std::uint32_t request, std::int64_t context, std::int64_t steps);
  /// All advance by `steps`, no more than to_next_event(); appends those that are done, in the order they came.
  void advance(std::int64_t steps, std::vector<std::uint32_t>& done);

  std::int64_t size() const { return size_; }
  /// Steps until one is done or crosses a window's edge. Not of none.
  std::int64_t to_next_event() const { return events_.top().at - steps_; }
  /// Whether one group holds all.
  bool alike() const { return groups_.size() <= 1; }
  double mean_context() const;
  /// `later`: after so many more steps, within to_next_event().
  Batch batch(double later = 0) const;

 private:
  struct Event {
    std::int64_t at;     // steps_ then
    std::int64_t done;   // when the request is done; at == done and not an edge: then
    std::int64_t since;  // its context is since + steps_
    std::uint32_t request;
    bool edge;  // it crosses one
    bool operator<(const Event& other) const;
  };
  struct Group {
    std::int64_t requests = 0;
    std::int64_t since = 0;  // sum of theirs
  };
  std::int64_t region(std::int64_t context) const;
  void expect_edge(const Event& done);

  const std::vector<ServingSystem::Window>& windows_;
  std::priority_queue<Event> events_;  // the next one is the largest
  std::map<std::int64_t, Group> groups_;
  std::int64_t steps_ = 0;
  std::int64_t size_ = 0;
};

}  // namespace moesaic
