// What a search has found stands whatever the order in which it was found.
#include "sim/search_standing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "tests/model/draw.hpp"

namespace moesaic {
namespace {

/// Few distinct values, so that many are equal.
std::vector<SearchHit> any_hits() {
  std::vector<SearchHit> hits(static_cast<std::size_t>(up_to(40)));
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const auto pace = static_cast<double>(up_to(8)), first = static_cast<double>(up_to(8));
    hits[i] = {i / 3, i % 3, {Seconds{pace}, Seconds{first}, PerSecond{static_cast<double>(up_to(8))}}};
  }
  return hits;
}

SearchGoal any_standing_goal() {
  SearchGoal goal;
  goal.objective = any_of({SearchObjective::throughput, SearchObjective::pace, SearchObjective::first});
  goal.top = static_cast<std::size_t>(up_to(6));
  if (coin()) {
    goal.most_pace = Seconds{static_cast<double>(up_to(8))};
  }
  return goal;
}

std::vector<std::pair<std::size_t, std::size_t>> names(const std::vector<SearchHit>& hits) {
  std::vector<std::pair<std::size_t, std::size_t>> names;
  for (const SearchHit& hit : hits) {
    names.emplace_back(hit.mapping, hit.choice);
  }
  return names;
}

SearchStanding standing_of(const std::vector<SearchHit>& hits, const SearchGoal& goal) {
  SearchStanding standing(goal);
  for (const SearchHit& hit : hits) {
    standing.add(hit);
  }
  return standing;
}

RC_GTEST_PROP(SearchStanding, DoesNotDependOnTheOrder, ()) {
  const SearchGoal goal = any_standing_goal();
  const std::vector<SearchHit> hits = any_hits();
  const SearchStanding one = standing_of(hits, goal);
  std::vector<SearchHit> other(hits.rbegin(), hits.rend());
  std::rotate(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(hits.size() / 3), other.end());
  // Half of it by way of another standing, as threads do.
  const auto middle = other.begin() + static_cast<std::ptrdiff_t>(hits.size() / 2);
  SearchStanding two = standing_of({other.begin(), middle}, goal);
  two.add(standing_of({middle, other.end()}, goal));
  RC_ASSERT(names(one.front()) == names(two.front()));
  RC_ASSERT(names(one.best()) == names(two.best()));
}

/// Agreement: with what comparing all with all leaves.
RC_GTEST_PROP(SearchStanding, FrontIsWhatNothingBeats, ()) {
  const SearchGoal goal = any_standing_goal();
  const std::vector<SearchHit> hits = any_hits();
  std::vector<std::pair<std::size_t, std::size_t>> wanted;
  for (const SearchHit& hit : hits) {
    const bool beaten = std::any_of(hits.begin(), hits.end(), [&](const SearchHit& h) {
      const SearchFigures &a = h.figures, &b = hit.figures;
      const bool equal = a.pace == b.pace && a.throughput == b.throughput;
      return meets(a, goal) && a.pace <= b.pace && a.throughput >= b.throughput && (!equal || &h < &hit);
    });
    if (!beaten && meets(hit.figures, goal)) {
      wanted.emplace_back(hit.mapping, hit.choice);
    }
  }
  auto found = names(standing_of(hits, goal).front());
  std::sort(found.begin(), found.end());
  RC_ASSERT(found == wanted);
}

/// Agreement: each mapping with its best, the best of them.
RC_GTEST_PROP(SearchStanding, BestAreTheBestOfEachMapping, ()) {
  const SearchGoal goal = any_standing_goal();
  const std::vector<SearchHit> hits = any_hits();
  std::vector<SearchHit> sorted;
  std::copy_if(hits.begin(), hits.end(), std::back_inserter(sorted),
               [&](const SearchHit& hit) { return meets(hit.figures, goal); });
  std::stable_sort(sorted.begin(), sorted.end(), [&](const SearchHit& a, const SearchHit& b) {
    return score(a.figures, goal.objective) > score(b.figures, goal.objective);
  });
  std::vector<std::pair<std::size_t, std::size_t>> wanted;
  for (const SearchHit& hit : sorted) {
    const bool seen = std::any_of(wanted.begin(), wanted.end(), [&](const auto& w) { return w.first == hit.mapping; });
    if (!seen && wanted.size() < goal.top) {
      wanted.emplace_back(hit.mapping, hit.choice);
    }
  }
  RC_ASSERT(names(standing_of(hits, goal).best()) == wanted);
}

/// Property: what does not matter by its bound changes nothing when it is added.
RC_GTEST_PROP(SearchStanding, WhatDoesNotMatterChangesNothing, ()) {
  const SearchGoal goal = any_standing_goal();
  const std::vector<SearchHit> hits = any_hits();
  SearchStanding standing = standing_of(hits, goal);
  const SearchHit more{static_cast<std::size_t>(up_to(20)),
                       9,
                       {Seconds{static_cast<double>(up_to(9))}, Seconds{static_cast<double>(up_to(9))},
                        PerSecond{static_cast<double>(up_to(9))}}};
  SearchFigures bound = more.figures;
  bound.pace *= coin() ? 0.9 : 1.0;
  bound.throughput *= coin() ? 1.1 : 1.0;
  const bool matters = standing.matters(bound, more.mapping);
  const auto best = names(standing.best()), front = names(standing.front());
  standing.add(more);
  RC_ASSERT(matters || (names(standing.best()) == best && names(standing.front()) == front));
}

}  // namespace
}  // namespace moesaic
