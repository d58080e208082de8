// What people read of a search for the best placement.
#pragma once

#include <string>
#include <vector>

#include "reports/report.hpp"
#include "sim/offload_rows.hpp"

namespace moesaic {

struct OffloadReport {
  std::string model;
  std::string machine;
  std::string load;  ///< for people: "1 request of 1,024 + 256 tokens"
  SearchGoal goal;
  bool stream = false;  ///< throughput is that of requests without end
  SearchCounts counts;
  bool stopped = false;
  std::vector<OffloadRow> best;  ///< not empty; best first, the first with what would help
  std::vector<OffloadRow> of_kinds;
  std::vector<ResourceWork> decode;   ///< of a step of the best
  std::vector<ResourceWork> prefill;  ///< the same
};

/// "experts computed by the host".
std::string kind_name(OffloadKind kind);
/// The placement in a sentence: "58 of 256 experts on the device, the others computed by the host; ...".
std::string placement_sentence(const OffloadRow& row);
/// What is where and what happens in a step, as (name, words).
struct PlacementFact {
  std::string name;
  std::string value;
};
std::vector<PlacementFact> placement_facts(const OffloadRow& row);
/// The resource that sets the limit of the phase that takes most of what is compared.
std::string binding_resource(const OffloadReport& report, const OffloadRow& row);

std::string offload_text(const OffloadReport& report, const TextStyle& style);
/// The contract of configs/schema/offload.json.
std::string offload_json(const OffloadReport& report);
/// A file as --placement takes it (configs/schema/placement.json), with `name` and where it comes from.
std::string placement_file(const OffloadRow& row, const std::string& name, const std::string& source);

}  // namespace moesaic
