// What people want to know of a candidate that a search has found: where its time goes.
#pragma once

#include <string>
#include <vector>

#include "sim/serving_search.hpp"

namespace moesaic {

/// A share of the time that is compared: the limit of a phase, or one bar of its waterfall.
struct SearchCost {
  std::string id;    ///< "decode.limit", "prefill.communication"; stable
  std::string name;  ///< for people
  Seconds seconds{};
};

struct SearchRow {
  std::string mapping;
  std::int64_t copies = 1;   ///< of the replica, side by side
  std::int64_t devices = 1;  ///< of one of them
  std::string setting;       ///< the choice, for people: "batch 64"
  std::int64_t batch = 0;    ///< of one replica
  SearchFigures figures;
  Bytes memory{};  ///< of the fullest device, and of its memories the fuller one
  Bytes capacity{};
  /// Add up to what the objective compares: of throughput, the time of a device that a token costs; of pace and first,
  /// these.
  std::vector<SearchCost> costs;
};

/// Predicts the candidate again, with everything that the search left out.
SearchRow serving_row(const ServingSpace& space, const SearchHit& hit, SearchObjective objective);

/// What `other` spends more (or, negative, less) than `than`, largest first; the differences of all costs.
std::vector<SearchCost> cost_differences(const SearchRow& other, const SearchRow& than);

}  // namespace moesaic
