// Times of steps put together from parts that mappings and batches have in common.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/step.hpp"
#include "sim/step_times.hpp"

namespace moesaic {

/// Remembers parts of steps of plans that differ in nothing but their mapping, under one cost model. An attention block
/// has the same time under every mapping of the same tensor and context parallelism, so that a search works out few of
/// them. Not for several threads at once.
class StepPieces {
 public:
  /// As evaluate_step() of the whole step, but for `efficient`, `launched` and `busy`, which are left alone. False
  /// where a part does not end before the next one begins, or there are several groups of sequences: then nothing is
  /// written.
  bool evaluate(const StepPlan& plan, const CostModel& cost, const Batch& batch, const StepOptions& options,
                StepTimes& out);
  /// As evaluate_ideal() of it.
  bool evaluate_limit(const StepPlan& plan, const CostModel& cost, const Batch& batch, const StepOptions& options,
                      StepTimes& out);
  /// Forgets what only steps of the mapping before have in common. To be called when the plan changes.
  void next_mapping() { of_mapping_.clear(); }

 private:
  static constexpr std::size_t kMostResources = 12;
  using Key = std::array<double, 13>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Piece {
    bool closed = false;  ///< nothing of it runs beside another part
    Seconds ideal{}, device{}, unshared{};
    double launches = 0;
    std::array<double, kMostResources> busy{};
  };
  using Pieces = std::unordered_map<Key, Piece, KeyHash>;

  template <class Visit>
  bool visit(const StepPlan& plan, const CostModel& cost, const Batch& batch, const StepOptions& options, bool limit,
             Visit visit);
  const Piece& piece(const StepPlan& plan, const CostModel& cost, const StepPart& part, const StepOptions& options,
                     bool limit);

  Pieces shared_;      ///< by what attention, dense layers and the ends of a step depend on
  Pieces of_mapping_;  ///< mixtures of experts
  RankBatch batch_;
  StepGraph graph_;
  StepTimes times_;
};

}  // namespace moesaic
