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

/// One flow for each demand, on the channels of the topology, all starting at once. Hands on the hops of routes that
/// are needed no more.
FlowProblem flow_problem(const Topology& topology, const Routes& routes, std::span<const Demanded> flows);
FlowProblem flow_problem(const Topology& topology, Routes&& routes, std::span<const Demanded> flows);

/// Max-min fair rates (bytes per second) of all flows at once: no flow can go faster without slowing one that is not
/// faster than it. Flows that no finite channel holds up get infinity, flows over a channel of capacity 0 get 0.
std::vector<double> max_min_rates(const FlowProblem& problem);

struct FlowTimes {
  Seconds total;            ///< the last end
  std::vector<double> end;  ///< seconds, per flow
  std::size_t events = 0;   ///< times at which rates were worked out again, summed over parts that share no channel
};
/// Runs all flows to their end; rates are max-min fair at every moment. Ends closer than `tolerance` (relative to the
/// time since the first start) count as one, and a start that close to an end waits for it; 0 is exact. Flows of no
/// bytes and flows that nothing holds up end when their latency has passed. Throws UserError that names a channel
/// without bandwidth that a flow has to cross.
FlowTimes run_flows(const FlowProblem& problem, double tolerance = 1e-9);

/// No schedule is faster: the largest over channels of bytes / capacity. Infinite where a channel that has to be
/// crossed has no bandwidth.
Seconds busiest_channel(const FlowProblem& problem);

/// The flows of a uniform all-to-all folded by the symmetry of the topology, so that only one device of each class is
/// routed: one row for each class of flows over one channel for each class of channels. The same total as all the
/// flows, as exactly as routes give their shares. Throws UserError if the topology has no known symmetry or the policy
/// breaks it (one path of many).
FlowProblem folded_all_to_all(const Topology& topology, const RouteChoice& choice, Bytes bytes_per_pair);

}  // namespace moesaic
