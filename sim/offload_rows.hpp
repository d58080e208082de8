// What people want to know of a placement that a search has found: what is where, and what each resource does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/offload_search.hpp"
#include "sim/request_stream.hpp"

namespace moesaic {

/// A resource in one step, and the tasks that keep it busy.
struct ResourceWork {
  std::string resource;  ///< path of its figure, e.g. "host.memory.bandwidth"
  std::string way;       ///< of links that have two: "to the device", "to the host"; else empty
  Seconds busy{};        ///< in one step, at its peak rate
  std::string most;      ///< label of the tasks that take most of it
  double share = 0;      ///< theirs of `busy`
};

struct OffloadRow {
  OffloadCandidate candidate;
  Prediction prediction;
  double experts = 0;            ///< of one rank over all layers
  double experts_on_device = 0;  ///< of them
  double speed = 1;              ///< of the best, by what is compared; at most 1
  /// As many requests that come without end, their prompts in the same passes as decodes; none where memory does not
  /// hold such a pass.
  std::optional<StreamPrediction> stream{};
};

/// Predicts the candidate again, with everything that the search left out but what would help.
OffloadRow offload_row(const OffloadQuestion& question, const OffloadCandidate& candidate);

/// Of a step of the phase, busiest first (decode: in the middle of the generation; prefill: a whole step of at most
/// load.step_tokens tokens); idle resources are left out.
std::vector<ResourceWork> resource_work(const Deployment& deployment, const Load& load, Phase phase);

}  // namespace moesaic
