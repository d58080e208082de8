// One layer's experts, or all layers', placed in several ways: what each means for balance and traffic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "model/expert_traffic.hpp"
#include "model/optimal_placement.hpp"

namespace moesaic {

/// One token on its way to an expert: fp8 is a byte an element and a 32-bit scale for every 128 of them, as DeepEP
/// sends it; other formats as they are.
Bytes dispatch_row(std::int64_t hidden, StorageType type);
/// One expert's result for a token on its way back: bf16.
Bytes combine_row(std::int64_t hidden);

struct PlacementQuestion {
  std::int64_t hidden = 0;
  RankGrid grid;
  std::int64_t redundant = 0;
  double tokens = 128;                       ///< of every rank in one step
  Routing routing = Routing::uniform(1, 1);  ///< of one layer; not used where there is a trace
  std::optional<RoutingTrace> trace;         ///< recorded or synthetic; of one layer or several
  CopyRule copies = CopyRule::per_rank;
  HitOptions hits;
  StorageType dispatch{DType::bf16, 16};
  OptimalOptions optimal;
};

/// Means over the layers.
struct PlacementAnswer {
  std::string name;
  std::string missing;  ///< why there is no such placement here; the rest is empty then
  std::int64_t slots_per_rank = 0;
  TrafficSummary traffic;               ///< of dispatch, in copies; combining is the same the other way
  std::optional<CrossLayerCost> moves;  ///< between layers, if there are several
  Bounded deviation;                    ///< sum over ranks of |rows - mean| over all rows; the bound is the optimum's
  std::optional<Seconds> moves_bound;   ///< no ranks for the optimum's clusters are below it
  bool in_time = true;
};

struct PlacementComparison {
  Bytes dispatch_row{}, combine_row{};
  std::size_t layers = 1;
  std::vector<PlacementAnswer> placements;  ///< contiguous, round-robin, balanced, optimum
};
/// Throws UserError where no placement is possible at all.
PlacementComparison compare_placements(const PlacementQuestion& question);

}  // namespace moesaic
