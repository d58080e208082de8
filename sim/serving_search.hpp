// What a search over mappings looks at in serving: every mapping with every batch that fits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sim/fabric.hpp"
#include "sim/predict.hpp"
#include "sim/search.hpp"

namespace moesaic {

/// `devices` devices serve requests of one length; equal copies of a replica fill them.
struct ServingQuestion {
  Architecture architecture;
  Precision precision;
  Machine machine;
  PlacementPointer placement;
  CostModelPointer cost;
  std::string routing = "uniform";
  ExchangeKind exchange = ExchangeKind::automatic;
  StepFeatures features{};
  FabricModel fabric = FabricModel::closed_form;
  RouteChoice routes{};
  Load load;                          ///< input, output and step_tokens of every request; its batch is not read
  std::optional<std::int64_t> batch;  ///< requests at once on all devices; none: whatever is best
  int devices = 1;
  std::vector<Mapping> mappings;  ///< of one replica each
};

/// Choices of a mapping are batches of one replica: 1, 2, 4, ... and the largest that fits; or its share of the batch
/// asked for, rounded up. Bounds are limits: the limit of a step grows with the batch, and no faster than the batch, so
/// that those of the smallest and of the largest batch bound all between.
class ServingSpace final : public SearchSpace {
 public:
  struct State;
  explicit ServingSpace(ServingQuestion question);
  ~ServingSpace() override;

  std::size_t size() const override;
  std::unique_ptr<SearchWorker> worker() const override;

  const ServingQuestion& question() const;
  /// How many copies of the replica there are.
  std::int64_t copies(std::size_t mapping) const;
  /// Throws UserError where the machine refuses the mapping.
  Deployment deployment(std::size_t mapping) const;
  Load load(const SearchHit& hit) const;
  /// For messages where nothing fits: one request a replica, or the share of what was asked for.
  Load smallest_load(std::size_t mapping) const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace moesaic
