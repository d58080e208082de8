// From the shape of a placement to its shares: the largest that memory holds.
#pragma once

#include <optional>
#include <string>

#include "model/hybrid_description.hpp"
#include "sim/offload_shape.hpp"
#include "sim/predict.hpp"
#include "sim/simulated_hits.hpp"

namespace moesaic {

/// Which placement is best for this network on this machine under this load.
struct OffloadQuestion {
  Architecture architecture;
  Precision precision;
  Machine machine;
  Mapping mapping;
  CostModelPointer cost;
  std::string routing = "uniform";
  Load load;                                ///< input and output of every request; the rest is not read
  std::optional<std::int64_t> batch;        ///< requests at once; none: whatever is best
  std::optional<std::int64_t> step_tokens;  ///< most prefill tokens of a step; none: whatever is best
  /// Throughput is that of so many requests that come without end, with their prompts in the passes of decodes; such a
  /// pass is the time to a token and to the first one.
  bool stream = false;
  /// What a search does not decide: accuracy, look-ahead and cost of prefetching, the policy of a cache of experts and
  /// the locality that it lives on, deferred experts, tokens of an expert on the host, slots that copied experts pass
  /// through, tokens that operators work on at once, the share of the cache that is attended to, how copies go, what
  /// sockets share.
  HybridDescription assumed{};
};

/// Plans of one question with different placements; for one thread.
class OffloadFitter {
 public:
  /// `tables`: of the question's routing, for all threads; `hits`: of the cache that it assumes, null: none. All must
  /// live as long as this.
  OffloadFitter(const OffloadQuestion& question, PlanTables& tables, HitTable* hits = nullptr)
      : question_(question), tables_(tables), hits_(hits) {}

  /// Throws UserError where machine or network refuse the placement.
  StepPlan plan(const HybridDescription& description) const;
  MemoryLoad memory_load(const Load& load) const;

  struct Fit {
    std::optional<HybridDescription> description;  ///< none: it does not fit, or is the same as a simpler shape
    Bytes missing{};  ///< memory that lacks where it does not fit, of all places; else zero
  };
  /// The shares with which `shape` fits: of dense weights first, then of the cache, then of experts (whole ones over
  /// all layers; of a cache, over each), each as large as the shape says; of the host's weights as little on storage as
  /// it can be.
  Fit fit(const OffloadShape& shape, const Load& load) const;

 private:
  ReplicaMemory memory(const HybridDescription& description, const Load& load) const;
  template <class Set>
  double largest_share(HybridDescription description, const Load& load, double unit, Set set) const;
  int largest_layers(HybridDescription description, const Load& load) const;
  void give_cache(HybridDescription& description, const Load& load) const;
  Fit checked(HybridDescription description, const Load& load) const;

  const OffloadQuestion& question_;
  PlanTables& tables_;
  HitTable* hits_;
  mutable std::optional<StepPlan> scratch_;  ///< of which memory is asked under one placement after another
};

/// Experts of one rank over all layers.
double count_experts(const StepPlan& plan);

}  // namespace moesaic
