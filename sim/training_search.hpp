// What a search over mappings looks at in training: every mapping with every micro-batch, recomputation, division of
// states and schedule.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sim/search.hpp"
#include "sim/search_rows.hpp"
#include "sim/training_prediction.hpp"

namespace moesaic {

/// `training`: what does not vary, and the batch and sequence. What is not fixed is tried in all ways.
struct TrainingQuestion {
  std::shared_ptr<const TrainingPredictor> predictor;
  Training training;
  bool any_micro_batch = true;  ///< powers of two that divide a group's share
  bool any_recompute = true;
  bool any_zero = true;
  bool any_schedule = true;  ///< that takes so many stages and micro-batches
  std::vector<Mapping> mappings;
};

/// Choices that differ in their schedule have the same limit, and recomputation only adds to it: so the first that is
/// evaluated bounds the others.
class TrainingSpace final : public SearchSpace {
 public:
  explicit TrainingSpace(TrainingQuestion question);
  ~TrainingSpace() override;

  std::size_t size() const override;
  std::unique_ptr<SearchWorker> worker() const override;

  const TrainingQuestion& question() const;
  /// The choices of a mapping, in the order of their numbers.
  std::vector<Training> choices(std::size_t mapping) const;
  TrainingPrediction prediction(const SearchHit& hit) const;
  /// Costs are those of the slowest stage's parts.
  SearchRow row(const SearchHit& hit, SearchObjective objective) const;

 private:
  TrainingQuestion question_;
};

/// "micro-batch 2, selective, ZeRO 1, 1f1b".
std::string setting_text(const Training& training, const Mapping& mapping);

}  // namespace moesaic
