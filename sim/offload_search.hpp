// The search for the best placement of a network on a device and its host, under the memory that they have.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/offload_fit.hpp"
#include "sim/search.hpp"

namespace moesaic {

/// A placement with everything decided.
struct OffloadCandidate {
  OffloadKind kind = OffloadKind::resident;
  HybridDescription description;
  Load load;  ///< with the batch and the steps' tokens that are best for it
  SearchFigures figures;
};

/// A shape to be tried, with this batch and these tokens of a prefill step, or all that make a difference.
struct OffloadTry {
  OffloadShape shape;
  std::optional<std::int64_t> batch, step_tokens;
};

/// A "mapping" of this space is a shape, a choice a batch with the tokens of a prefill step. Bounds are limits.
class OffloadSpace final : public SearchSpace {
 public:
  struct State;
  /// The question must live as long as this.
  /// `hits`: of the cache that the question assumes, if spaces are to share what was simulated.
  OffloadSpace(const OffloadQuestion& question, std::vector<OffloadTry> tries, std::shared_ptr<HitTable> hits = {});
  /// All shapes of a kind, in one batch.
  OffloadSpace(const OffloadQuestion& question, OffloadKind kind, std::shared_ptr<HitTable> hits = {});
  ~OffloadSpace() override;

  std::size_t size() const override;
  std::unique_ptr<SearchWorker> worker() const override;
  const OffloadTry& tried(std::size_t mapping) const;
  OffloadCandidate candidate(const SearchHit& hit) const;

 private:
  std::unique_ptr<State> state_;
};

struct OffloadOutcome {
  std::vector<OffloadCandidate> best;      ///< best first, each shape with its best choice
  std::vector<OffloadCandidate> of_kinds;  ///< the best of each kind that has one, best first
  SearchCounts counts;                     ///< `mappings` are shapes
  bool stopped = false;
  Bytes missing{};  ///< where nothing fits: what the placement that lacks least lacks, over all places together
};

/// Searches all kinds in one batch, then divides the best of each kind into 2, 4, ... 16 micro-batches as long as that
/// helps; goal.top of all of them together. Throws UserError where the machine has no host, or the load, the
/// mapping or the cache that is assumed makes no sense. The same outcome on any number of threads.
OffloadOutcome search_offload(const OffloadQuestion& question, const SearchGoal& goal, const SearchWatch& watch = {});

/// The first of some smaller storage types ("weights=fp8", "weights=int4", ...) with which a placement would fit; none:
/// none of them.
std::optional<std::string> smaller_type_that_fits(const OffloadQuestion& question);

/// The deployment of a candidate.
Deployment deployment_of(const OffloadQuestion& question, const HybridDescription& description);

}  // namespace moesaic
