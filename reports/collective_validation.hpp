// What people read of measured collectives and exchanges against fits: inside a node and across nodes, which have their
// own targets and are never mixed, and groups of each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reports/validation_scores.hpp"

namespace moesaic {

/// One run. All judged rows are of the families collective and expert_exchange; their rooflines are closed forms at
/// peak figures (use_communication_peaks()).
struct CollectiveValidation {
  Validation validation;
  HeldOut held_out = HeldOut::whole_shape;  ///< of the rows that were left out
};

enum class NodePlace : std::uint8_t { inside, across };
inline constexpr NodePlace kNodePlaces[] = {NodePlace::inside, NodePlace::across};
/// "inside", "across".
std::string_view name(NodePlace place);
/// "inside a node", "across nodes".
std::string_view title(NodePlace place);
/// Median of |error| that the project wants.
double collective_target(NodePlace place);
NodePlace node_place(const Validation& validation, const JudgedRow& row);

/// "all_reduce", ..., "send_receive", "dispatch", "combine", or "prepare" (what TensorRT-LLM does before a dispatch).
std::string collective_of(const MeasurementKey& key);
/// Stack and variant: "vllm-0.24.0 vLLM_custom_graph", "deepep-sglang-0.5.12 low_latency".
std::string implementation_of(const MeasurementKey& key);
/// "8 ranks", "16 ranks on 2 nodes".
std::string ranks_text(const MeasurementKey& key, const ShapeValues& shape);
/// The decade of a message's bytes, "1 kB to 10 kB", or of an exchange's tokens of one rank, "10 to 100 tokens".
std::string size_text(const MeasurementKey& key, const ShapeValues& shape);

struct CollectiveGroup {
  NodePlace place = NodePlace::inside;
  std::string by;    ///< "place", "collective", "implementation", "device", "ranks", "size" or "mode"
  std::string name;  ///< "all_reduce"; of "place" its name
  RowSet rows;
  JudgedGroup scores;  ///< roofline: closed form at peak figures; constant: over one efficiency
};
/// Place by place; of each first all rows, then by collective and so on. Places without rows have no groups.
std::vector<CollectiveGroup> collective_groups(const Validation& validation);

std::string collective_validation_text(const CollectiveValidation& run, const TextStyle& style);
/// The contract of configs/schema/collective_validation.json; `version` "1". Times in seconds, errors as fractions.
std::string collective_validation_json(const CollectiveValidation& run);
/// One line for each judged row; times in microseconds.
std::string collective_validation_csv(const CollectiveValidation& run);
/// One self-contained HTML page.
std::string collective_validation_page(const CollectiveValidation& run, const std::string& command);

}  // namespace moesaic
