#include "sim/search.hpp"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "sim/search_standing.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kFirstRound = 64;
constexpr std::size_t kLargestRound = 8192;

/// What one mapping's evaluation brought.
struct Looked {
  SearchStanding standing;
  SearchCounts counts;
  Bytes missing{};
};

/// Candidates are judged by what earlier rounds and the mapping's own choices have found, never by what other threads
/// happen to know: so that counts do not depend on them.
void look(SearchWorker& worker, std::size_t mapping, const SearchStanding& before, const SearchGoal& goal,
          Looked& looked) {
  const OpenedMapping opened = worker.open(mapping);
  SearchCounts& counts = looked.counts;
  counts.mappings = 1;
  counts.refused = opened.taken ? 0 : 1;
  counts.unfit = opened.unfit;
  looked.missing = opened.missing;
  for (std::size_t i = opened.choices; i-- > 0;) {
    if (goal.prune) {
      const SearchFigures bound = worker.bound(i);
      if (!before.matters(bound, mapping) || !looked.standing.matters(bound, mapping)) {
        ++counts.pruned;
        continue;
      }
    }
    const EvaluatedChoice evaluated = worker.evaluate(i);
    if (evaluated.fits) {
      looked.standing.add({mapping, i, evaluated.figures});
      ++counts.evaluated;
    } else {
      ++counts.unfit;
      const bool first = looked.missing <= Bytes{0};
      looked.missing = first ? evaluated.missing : std::min(looked.missing, evaluated.missing);
    }
  }
  counts.too_large = opened.taken && counts.evaluated + counts.pruned == 0 ? 1 : 0;
}

void add(const SearchCounts& one, SearchCounts& all) {
  all.mappings += one.mappings;
  all.refused += one.refused;
  all.too_large += one.too_large;
  all.evaluated += one.evaluated;
  all.pruned += one.pruned;
  all.unfit += one.unfit;
}

/// A step that visits all of `size` before it comes back, near the golden section: early rounds see all parts of the
/// space.
std::size_t golden_step(std::size_t size) {
  auto step = std::max<std::size_t>(1, static_cast<std::size_t>(0.618 * static_cast<double>(size)));
  while (std::gcd(step, size) != 1) {
    ++step;
  }
  return step;
}

}  // namespace

SearchOutcome search(const SearchSpace& space, const SearchGoal& goal, const SearchWatch& watch) {
  SearchOutcome outcome;
  SearchStanding standing(goal);
  const std::size_t size = space.size(), step = golden_step(std::max<std::size_t>(size, 1));
  tbb::enumerable_thread_specific<std::unique_ptr<SearchWorker>> workers([&] { return space.worker(); });
  std::vector<Looked> round;
  for (std::size_t done = 0, length = kFirstRound; done < size; length = std::min(2 * length, kLargestRound)) {
    const std::size_t count = std::min(length, size - done);
    round.assign(count, Looked{SearchStanding(goal), {}, {}});
    const auto mapping_of = [&](std::size_t i) { return (done + i) * step % size; };
    tbb::parallel_for(std::size_t{0}, count,
                      [&](std::size_t i) { look(*workers.local(), mapping_of(i), standing, goal, round[i]); });
    for (std::size_t i = 0; i < count; ++i) {
      const Looked& looked = round[i];
      standing.add(looked.standing);
      add(looked.counts, outcome.counts);
      const bool nearer =
          looked.missing > Bytes{0} && (!outcome.nearest_fit || looked.missing < outcome.missing ||
                                        (looked.missing == outcome.missing && mapping_of(i) < *outcome.nearest_fit));
      if (nearer) {
        outcome.nearest_fit = mapping_of(i);
        outcome.missing = looked.missing;
      }
    }
    done += count;
    if (watch && !watch({done, size, &outcome.counts}) && done < size) {
      outcome.stopped = true;
      break;
    }
  }
  outcome.best = standing.best();
  outcome.front = standing.front();
  return outcome;
}

}  // namespace moesaic
