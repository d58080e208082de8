#include "sim/search_standing.hpp"

#include <algorithm>
#include <tuple>

namespace moesaic {

double score(const SearchFigures& figures, SearchObjective objective) {
  switch (objective) {
    case SearchObjective::pace:
      return 1 / figures.pace.value;
    case SearchObjective::first:
      return 1 / figures.first.value;
    case SearchObjective::throughput:
      break;
  }
  return figures.throughput.value;
}

bool meets(const SearchFigures& figures, const SearchGoal& goal) {
  return (!goal.most_pace || figures.pace <= *goal.most_pace) &&
         (!goal.most_first || figures.first <= *goal.most_first);
}

namespace {

bool earlier(const SearchHit& a, const SearchHit& b) {
  return std::tie(a.mapping, a.choice) < std::tie(b.mapping, b.choice);
}

bool equals(const SearchHit& a, const SearchHit& b) {
  return a.figures.pace == b.figures.pace && a.figures.throughput == b.figures.throughput;
}

}  // namespace

void SearchStanding::add_best(const SearchHit& hit) {
  const auto better = [&](const SearchHit& a, const SearchHit& b) {
    const double of_a = score(a.figures, goal_.objective), of_b = score(b.figures, goal_.objective);
    return of_a > of_b || (of_a == of_b && earlier(a, b));
  };
  const auto own =
      std::find_if(best_.begin(), best_.end(), [&](const SearchHit& h) { return h.mapping == hit.mapping; });
  if (own != best_.end()) {
    if (!better(hit, *own)) {
      return;
    }
    best_.erase(own);
  }
  best_.insert(std::upper_bound(best_.begin(), best_.end(), hit, better), hit);
  if (best_.size() > goal_.top) {
    best_.pop_back();
  }
}

void SearchStanding::add_front(const SearchHit& hit) {
  const auto first = std::lower_bound(front_.begin(), front_.end(), hit, [](const SearchHit& a, const SearchHit& b) {
    return a.figures.pace < b.figures.pace;
  });
  if (first != front_.end() && equals(*first, hit)) {
    if (earlier(hit, *first)) {
      *first = hit;
    }
    return;
  }
  const bool beaten = (first != front_.end() && first->figures.pace == hit.figures.pace &&
                       first->figures.throughput > hit.figures.throughput) ||
                      (first != front_.begin() && std::prev(first)->figures.throughput >= hit.figures.throughput);
  if (beaten) {
    return;
  }
  auto last = first;
  while (last != front_.end() && last->figures.throughput <= hit.figures.throughput) {
    ++last;
  }
  front_.insert(front_.erase(first, last), hit);
}

void SearchStanding::add(const SearchHit& hit) {
  if (meets(hit.figures, goal_)) {
    add_best(hit);
    if (goal_.front) {
      add_front(hit);
    }
  }
}

void SearchStanding::add(const SearchStanding& other) {
  for (const SearchHit& hit : other.best_) {
    add_best(hit);
  }
  for (const SearchHit& hit : other.front_) {
    add_front(hit);
  }
}

bool SearchStanding::matters(const SearchFigures& bound, std::size_t mapping) const {
  if (!meets(bound, goal_)) {
    return false;
  }
  const double reached = score(bound, goal_.objective);
  const bool full = best_.size() >= goal_.top;
  const auto own = std::find_if(best_.begin(), best_.end(), [&](const SearchHit& h) { return h.mapping == mapping; });
  const bool among_best = own != best_.end() ? reached >= score(own->figures, goal_.objective)
                                             : !full || reached >= score(best_.back().figures, goal_.objective);
  if ((among_best && goal_.top > 0) || !goal_.front) {
    return among_best && goal_.top > 0;
  }
  // The fastest that is slower than the bound has the most throughput of all that are no slower.
  const auto slower =
      std::upper_bound(front_.begin(), front_.end(), bound,
                       [](const SearchFigures& a, const SearchHit& b) { return a.pace < b.figures.pace; });
  if (slower == front_.begin()) {
    return true;
  }
  const SearchFigures& rival = std::prev(slower)->figures;
  return rival.throughput < bound.throughput || (rival.throughput == bound.throughput && rival.pace == bound.pace);
}

}  // namespace moesaic
