// The search over many candidates for the best ones, and for those that nothing beats in both speed and throughput.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// What candidates are compared by.
struct SearchFigures {
  Seconds pace{};          ///< how long a user waits for one token more (TPOT), or a training step takes
  Seconds first{};         ///< until the first token (TTFT); zero in training
  PerSecond throughput{};  ///< tokens of one device
};

enum class SearchObjective : std::uint8_t { throughput, pace, first };

struct SearchGoal {
  SearchObjective objective = SearchObjective::throughput;
  std::optional<Seconds> most_pace{};   ///< candidates that take longer are left out
  std::optional<Seconds> most_first{};  ///< the same of the first token
  std::size_t top = 10;                 ///< best mappings wanted, each with its best choice
  /// Skip candidates whose bound says that they are neither among the best nor on the front. Changes the time of a
  /// search and its counts, nothing else.
  bool prune = true;
  bool front = true;  ///< wanted too; else candidates are pruned that are not among the best
};

/// A candidate: a choice (of a batch, of recomputation, ...) with a mapping.
struct SearchHit {
  std::size_t mapping = 0;
  std::size_t choice = 0;
  SearchFigures figures;
};

/// What one mapping has to offer.
struct OpenedMapping {
  bool taken = true;        ///< false: the machine or the placement refuses it
  std::size_t choices = 0;  ///< to be evaluated, the last one first
  std::size_t unfit = 0;    ///< others, known not to fit in memory
  Bytes missing{};          ///< on the fullest device, for the least of these
};

/// What evaluation of a candidate brings.
struct EvaluatedChoice {
  SearchFigures figures;
  bool fits = true;
  Bytes missing{};  ///< on the fullest device, where it does not fit
};

/// By which a bound must be better than its sum says: evaluate() may add the same times in another order.
inline constexpr double kBoundRounding = 1e-9;

/// Evaluates one mapping after another; each thread has its own.
class SearchWorker {
 public:
  virtual ~SearchWorker() = default;
  virtual OpenedMapping open(std::size_t mapping) = 0;
  /// Of a choice of the opened mapping: no slower and no less throughput than evaluate() will say.
  virtual SearchFigures bound(std::size_t choice) = 0;
  virtual EvaluatedChoice evaluate(std::size_t choice) = 0;
};

/// What is searched: so many mappings.
class SearchSpace {
 public:
  virtual ~SearchSpace() = default;
  virtual std::size_t size() const = 0;
  virtual std::unique_ptr<SearchWorker> worker() const = 0;
};

struct SearchCounts {
  std::size_t mappings = 0;   ///< looked at
  std::size_t refused = 0;    ///< of them, by the machine or the placement
  std::size_t too_large = 0;  ///< of them, those that do not fit with any choice
  std::size_t evaluated = 0;  ///< candidates: mappings with a choice
  std::size_t pruned = 0;
  std::size_t unfit = 0;
  std::size_t candidates() const { return evaluated + pruned + unfit; }
};

/// Seen by those who wait; returns whether to go on.
struct SearchProgress {
  std::size_t done = 0;
  std::size_t total = 0;
  const SearchCounts* counts = nullptr;
};
using SearchWatch = std::function<bool(const SearchProgress&)>;

struct SearchOutcome {
  std::vector<SearchHit> best;   ///< best first, one of each mapping
  std::vector<SearchHit> front;  ///< that no other beats or equals in pace and throughput both; fastest first
  SearchCounts counts;
  bool stopped = false;  ///< by the watch: not all was looked at
  /// Where nothing fits: the mapping that lacks least memory.
  std::optional<std::size_t> nearest_fit;
  Bytes missing{};
};

/// Throughput, or the reciprocal of a time: the larger the better.
double score(const SearchFigures& figures, SearchObjective objective);
/// Whether a goal's times are kept.
bool meets(const SearchFigures& figures, const SearchGoal& goal);

/// Looks at all mappings, on all cores. The same outcome, counts included, on any number of them; of candidates that
/// are equal the first is taken.
SearchOutcome search(const SearchSpace& space, const SearchGoal& goal, const SearchWatch& watch = {});

}  // namespace moesaic
