// What a search has found so far: the best mappings and the front.
#pragma once

#include <vector>

#include "sim/search.hpp"

namespace moesaic {

/// Order of insertion does not matter: of equals the first mapping, then the first choice, stays.
class SearchStanding {
 public:
  explicit SearchStanding(const SearchGoal& goal) : goal_(goal) {}

  void add(const SearchHit& hit);
  void add(const SearchStanding& other);
  /// Whether something with figures no better than these could still change the standing. `mapping` says whose they
  /// are: a mapping stands among the best with its best choice only.
  bool matters(const SearchFigures& bound, std::size_t mapping) const;

  const std::vector<SearchHit>& best() const { return best_; }
  const std::vector<SearchHit>& front() const { return front_; }

 private:
  void add_best(const SearchHit& hit);
  void add_front(const SearchHit& hit);

  SearchGoal goal_;
  std::vector<SearchHit> best_;
  std::vector<SearchHit> front_;  ///< pace and throughput both grow
};

}  // namespace moesaic
