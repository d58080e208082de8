// What people read of placements of experts side by side: text and JSON (a versioned contract).
#pragma once

#include <string>

#include "model/placement_comparison.hpp"
#include "reports/report.hpp"

namespace moesaic {

struct PlacementReport {
  std::string model, machine;
  std::string routing;  ///< as typed, or what the synthetic trace is
  const PlacementQuestion& question;
  const PlacementComparison& comparison;
};

std::string experts_text(const PlacementReport& report, const TextStyle& style);
/// The contract of configs/schema/experts.json; `version` "1".
std::string experts_json(const PlacementReport& report);

/// "per-expert", as it is typed and as JSON has it.
std::string name(CopyRule rule);
std::string name(ReplicaRule rule);

}  // namespace moesaic
