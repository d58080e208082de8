// Private to sim: flows as the solver sees them. Equal flows share a row, and channels that matter to none are left
// out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "sim/flows.hpp"

namespace moesaic {

/// Rows over channels: at a rate of r (of one flow of the row), row i takes weight * r of each of its channels.
struct FlowRows {
  std::vector<double> capacity;         ///< bytes per second, finite
  std::vector<std::uint32_t> first{0};  ///< row i has the entries first[i] to first[i + 1]
  std::vector<std::uint32_t> channel;
  std::vector<double> weight;

  std::size_t size() const { return first.size() - 1; }
  void add(std::uint32_t on_channel, double with_weight) {
    channel.push_back(on_channel);
    weight.push_back(with_weight);
  }
  void end_row() { first.push_back(static_cast<std::uint32_t>(channel.size())); }
};

/// Which row each flow of a problem is in.
struct FlowClasses {
  static constexpr std::uint32_t kNoRow = std::numeric_limits<std::uint32_t>::max();

  FlowRows rows;
  std::vector<std::uint32_t> representative;  ///< a flow of each row
  std::vector<std::uint32_t> row_of;          ///< kNoRow: no channel holds the flow up, or its label is 0
};

/// Flows of one row have the same rate at any moment of any run in which flows of equal labels start together and carry
/// the same bytes. Flows labelled 0 are left out.
///
/// Rows are found by colour refinement (Paige and Tarjan 1987; for linear systems Grohe et al. 2014, "Dimension
/// reduction via colour refinement"): flows keep one colour as long as their channels have the same colours and shares,
/// channels as long as their flows have. Max-min rates are unique, so nothing tells flows of one colour apart, and one
/// channel stands for all of its colour. Colours are 64-bit hashes: for a million different flows the chance that two
/// of them are taken for one is 3e-8. Where fewer than half of the rows would be saved, each flow has its own.
FlowClasses classify_flows(const FlowProblem& problem, std::vector<std::uint64_t> labels);

/// Asserts that a problem is what its header says: sizes, channels that exist, nothing negative or without end.
void check_flows(const FlowProblem& problem);

/// Throws UserError that names a channel without bandwidth that a flow has to cross.
void refuse_dead_channels(const FlowProblem& problem);

/// Seconds: when the first byte of a flow moves.
inline double release_time(const FlowProblem& problem, std::size_t flow) {
  return (problem.start.empty() ? 0 : problem.start[flow]) + (problem.latency.empty() ? 0 : problem.latency[flow]);
}

/// A hash of 64 bits with all bits mixed (the finalizer of SplitMix64, Steele et al. 2014); a bijection.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace moesaic
