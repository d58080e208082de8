// Which waiting tokens run together: how many distinct experts a batch needs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/routing_trace.hpp"

namespace moesaic {

enum class BatchOrder {
  prefill_first,  ///< tokens as the trace has them: one document after another
  decode_first,   ///< one token of each waiting document in turn
  expert_aware,   ///< Read-ME Algorithm 1 (arXiv:2410.19123): from the fullest queue of an expert until the batch is
                  ///< full
  regrouped,      ///< ExpertFlow (arXiv:2410.17954): tokens of alike paths through all layers, one added after another
};
inline constexpr int kBatchOrderCount = 4;
std::string_view name(BatchOrder order);

struct BatchingQuestion {
  std::int64_t batch = 16;     ///< tokens of a batch
  std::int64_t waiting = 64;   ///< tokens to choose from, filled up after each batch; at least a batch
  std::int64_t document = 64;  ///< tokens of a document
};

/// Mean over batches and layers of the distinct experts of a batch; a last batch that is not full is left out. Decode
/// tokens come from as many documents at a time as tokens wait; expert-aware and regrouped batches choose among what
/// decode-first would have waiting. Queues are those of the first layer's first expert. Throws UserError if the counts
/// do not fit the trace.
std::array<double, kBatchOrderCount> distinct_experts(const RoutingTrace& trace, const BatchingQuestion& question);

}  // namespace moesaic
