#include "sim/split_paths.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "sim/flow_rows.hpp"

namespace moesaic {
namespace {

constexpr double kNothing = 1e-5;  // of a flow: shares are single numbers, and paths may be thousands

[[noreturn]] void refuse(std::size_t flow) {
  throw UserError(fmt::format(
      "flow {} cannot be split into paths: its channels do not join up; route it with every channel listed", flow));
}

/// The channels of one flow, and what of it is not on a path yet.
class Spread {
 public:
  Spread(const Topology& topology, const FlowProblem& problem, std::size_t flow) : topology_(topology), flow_(flow) {
    std::map<VertexId, double> surplus;
    for (std::uint32_t i = problem.first[flow]; i < problem.first[flow + 1]; ++i) {
      const Routes::Hop& hop = problem.hops[i];
      left_[topology.from(hop.channel)].push_back({hop.channel, hop.share});
      surplus[topology.from(hop.channel)] += hop.share;
      surplus[topology.to(hop.channel)] -= hop.share;
    }
    source_ = destination_ = topology.from(problem.hops[problem.first[flow]].channel);
    for (const auto& [vertex, share] : surplus) {
      if (std::abs(share - 1) < kNothing) {
        source_ = vertex;
      } else if (std::abs(share + 1) < kNothing) {
        destination_ = vertex;
      } else if (std::abs(share) > kNothing) {
        refuse(flow);
      }
    }
    if (source_ == destination_) {
      refuse(flow);
    }
  }

  /// The widest next step at each vertex; takes it off. Gives the path's share, 0 once there is no more.
  double take_path(std::vector<ChannelId>& path) {
    path.clear();
    std::vector<Routes::Hop*> taken;
    float share = 1;
    for (VertexId at = source_; at != destination_;) {
      std::vector<Routes::Hop>& steps = left_[at];
      const auto widest =
          std::max_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.share < b.share; });
      if (widest == steps.end() || widest->share < kNothing) {
        return 0;
      }
      taken.push_back(&*widest);
      path.push_back(widest->channel);
      share = std::min(share, widest->share);
      at = topology_.to(widest->channel);
      if (path.size() > topology_.vertices.size()) {
        refuse(flow_);  // round in circles
      }
    }
    for (Routes::Hop* hop : taken) {
      hop->share -= share;
    }
    return share;
  }

 private:
  const Topology& topology_;
  std::size_t flow_;
  std::map<VertexId, std::vector<Routes::Hop>> left_;  ///< by where channels begin
  VertexId source_ = 0;
  VertexId destination_ = 0;
};

}  // namespace

PathFlows split_into_paths(const Topology& topology, const FlowProblem& problem) {
  check_flows(problem);
  MOESAIC_ASSERT(problem.capacity.size() == topology.channels());
  PathFlows result;
  FlowProblem& paths = result.problem;
  paths.capacity = problem.capacity;
  paths.first.push_back(0);
  std::vector<ChannelId> path;
  for (std::uint32_t flow = 0; flow < problem.flows(); ++flow) {
    const auto add = [&](double share) {
      for (const ChannelId channel : path) {
        paths.hops.push_back({channel});
      }
      paths.first.push_back(static_cast<std::uint32_t>(paths.hops.size()));
      paths.bytes.push_back(problem.bytes[flow] * share);
      paths.start.push_back(problem.start.empty() ? 0 : problem.start[flow]);
      paths.latency.push_back(problem.latency.empty() ? 0 : problem.latency[flow]);
      paths.multiplicity.push_back(problem.multiplicity.empty() ? 1 : problem.multiplicity[flow]);
      result.flow_of.push_back(flow);
    };
    path.clear();
    if (problem.first[flow] == problem.first[flow + 1]) {
      add(1);
      continue;
    }
    Spread spread(topology, problem, flow);
    const std::size_t first = paths.bytes.size();
    double sum = 0;
    for (double share = spread.take_path(path); share > 0; share = spread.take_path(path)) {
      add(share);
      sum += share;
    }
    if (std::abs(sum - 1) > 1e-3) {
      refuse(flow);
    }
    for (std::size_t i = first; i < paths.bytes.size(); ++i) {
      paths.bytes[i] /= sum;  // what rounding left
    }
  }
  return result;
}

}  // namespace moesaic
