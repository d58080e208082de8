// Max-min fair flows on capacities: how long simultaneous and staggered transfers take when they share links.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hw/routing.hpp"
#include "hw/topology.hpp"

namespace moesaic {

/// Flows as rows over channels. A flow of rate r takes share * r of each of its channels; one row may stand for
/// `multiplicity` equal flows.
struct FlowProblem {
  std::vector<double> capacity;  ///< bytes per second, per channel
  std::vector<std::uint32_t> first;
  std::vector<Routes::Hop> hops;
  std::vector<double> bytes;         ///< per flow
  std::vector<double> start;         ///< seconds; empty: all at zero
  std::vector<double> latency;       ///< seconds before the first byte moves; empty: none
  std::vector<double> multiplicity;  ///< empty: one each

  std::size_t flows() const { return bytes.size(); }
};

FlowProblem flow_problem(const Topology& topology, const Routes& routes, std::span<const Demanded> flows);

/// Max-min fair rates (bytes per second) of all flows at once: no flow can go faster without slowing one that is not
/// faster than it. Flows without hops get infinity.
std::vector<double> max_min_rates(const FlowProblem& problem);

struct FlowTimes {
  Seconds total;            ///< the last end
  std::vector<double> end;  ///< seconds, per flow
  std::size_t events = 0;   ///< times at which rates were worked out again
};
/// Runs all flows to their end; rates are max-min fair at every moment. Ends closer than `tolerance` (relative to the
/// time since the start) count as one; 0 is exact.
FlowTimes run_flows(const FlowProblem& problem, double tolerance = 1e-9);

/// No schedule is faster: the largest over channels of bytes / capacity.
Seconds busiest_channel(const FlowProblem& problem);

/// The flows of a uniform all-to-all folded by the symmetry of the topology: one row for each class of flows. Exact:
/// the same total as all the flows. Throws UserError if the topology has no known symmetry or the policy breaks it (one
/// path of many).
FlowProblem folded_all_to_all(const Topology& topology, const RouteChoice& choice, Bytes bytes_per_pair);

}  // namespace moesaic
