// How a trace's choices of experts hang together in time: what an expert cache lives on.
#pragma once

#include <cstdint>

#include "model/routing_trace.hpp"

namespace moesaic {

/// How well whole segments of tokens are told by one set of experts each. Source: arXiv:2505.16056 and its
/// 31_srp_refine.py: an expert is predicted active in all of a segment if it is used at least a threshold of times in
/// it; F1 = 2 matched / (predicted + actual) over all segments and experts, at the threshold that makes it largest.
struct SegmentRouting {
  double performance = 0;  ///< SRP(m): the largest F1, 0 to 1
  double size_ratio = 0;   ///< rho-hat: predicted over actual uses there
};

/// Over all runs of `segment` tokens of all layers (layers pooled), none across the border of two documents of
/// `document` tokens (0: the trace is one document). Throws UserError unless 1 <= segment <= tokens of a document.
SegmentRouting segment_routing(const RoutingTrace& trace, std::int64_t segment, std::int64_t document = 0);

/// Shares and distances, means over layers.
struct RoutingLocality {
  double load_deviation = 0;     ///< standard deviation over experts of the share of tokens that use one
  double repeat = 0;             ///< share of a token's experts that the token before it used, too
  double temporal_distance = 0;  ///< mean number of tokens since an expert's last use, over all uses but the first
};
RoutingLocality routing_locality(const RoutingTrace& trace);

}  // namespace moesaic
