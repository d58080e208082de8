// One device of each class stands for all of it: its flows, grouped by what they take of each class of channels, are
// the rows of a small problem. Channels of a class carry the same, so that together they are one channel of their
// summed bandwidth.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "sim/flows.hpp"

namespace moesaic {
namespace {

/// Flows of devices of one class with the same latency and the same shares of each class of channels.
struct Row {
  double flows = 0;                                      ///< of one device
  std::vector<std::pair<std::uint32_t, double>> shares;  ///< class of channels, sum over flows
};
/// Shares in steps of 2^-20: as single numbers they have rounding of their own.
using RowKey = std::tuple<float, std::vector<std::pair<std::uint32_t, std::int64_t>>>;

void check_symmetry(const Topology& topology) {
  if (topology.device_class.size() != topology.devices || topology.channel_class.size() != topology.channels()) {
    throw UserError(fmt::format("topology '{}' ({}) has no known symmetry by which an all-to-all could be folded",
                                printable(topology.name), topology.kind));
  }
}

/// The flows of one device, routed over every path: without classes of channels left out.
Routes routes_from(const Topology& topology, const RouteChoice& choice, std::uint32_t source) {
  std::vector<Demanded> demands;
  for (std::uint32_t to = 0; to < topology.devices; ++to) {
    if (to != source) {
      demands.push_back({source, to, 1});
    }
  }
  RouteChoice spread = choice;
  spread.policy = RoutePolicy::spray;
  spread.every_channel = true;
  Routes routes = route_flows(topology, spread, demands);
  const auto divided = [](const Routes::Hop& hop) { return hop.share < 1; };
  if (choice.policy != RoutePolicy::spray && std::any_of(routes.hops.begin(), routes.hops.end(), divided)) {
    throw UserError(
        fmt::format("topology '{}': an all-to-all folds by symmetry only where flows are sprayed or have one path; "
                    "'{}' prefers some "
                    "of several paths",
                    printable(topology.name), to_text(choice.policy)));
  }
  return routes;
}

std::map<RowKey, Row> rows_of(const Topology& topology, const Routes& routes) {
  std::map<RowKey, Row> rows;
  std::vector<double> share(topology.channels());  // by class
  std::vector<std::uint32_t> touched;
  for (std::size_t flow = 0; flow + 1 < routes.first.size(); ++flow) {
    touched.clear();
    for (std::uint32_t i = routes.first[flow]; i < routes.first[flow + 1]; ++i) {
      const std::uint32_t kind = topology.channel_class[routes.hops[i].channel];
      if (share[kind] == 0) {
        touched.push_back(kind);
      }
      share[kind] += routes.hops[i].share;
    }
    std::sort(touched.begin(), touched.end());
    RowKey key{routes.latency[flow], {}};
    for (const std::uint32_t kind : touched) {
      std::get<1>(key).emplace_back(kind, std::llround(share[kind] * 0x1p20));
    }
    Row& row = rows[key];
    row.flows += 1;
    row.shares.resize(touched.size());
    for (std::size_t i = 0; i < touched.size(); ++i) {
      row.shares[i].first = touched[i];
      row.shares[i].second += share[touched[i]];
      share[touched[i]] = 0;
    }
  }
  return rows;
}

/// A share is a single number; two hops over the same channel carry what one cannot say.
void add_share(FlowProblem& problem, std::uint32_t channel, double share) {
  auto whole = static_cast<float>(share);
  if (whole > share) {
    whole = std::nextafter(whole, 0.0F);
  }
  problem.hops.push_back({channel, whole});
  if (const auto rest = static_cast<float>(share - whole); rest > 0) {
    problem.hops.push_back({channel, rest});
  }
}

}  // namespace

FlowProblem folded_all_to_all(const Topology& topology, const RouteChoice& choice, Bytes bytes_per_pair) {
  check_symmetry(topology);
  FlowProblem problem;
  problem.first.push_back(0);
  problem.capacity.resize(topology.channels());  // by class; few of them are used
  std::vector<double> bandwidth(topology.channels());
  for (ChannelId channel = 0; channel < topology.channels(); ++channel) {
    const std::uint32_t kind = topology.channel_class[channel];
    const double one = topology.links[channel / 2].bandwidth.value;
    MOESAIC_ASSERT(bandwidth[kind] == 0 || bandwidth[kind] == one);
    bandwidth[kind] = one;
    problem.capacity[kind] += one;
  }
  std::map<std::uint32_t, std::pair<std::uint32_t, double>> classes;  // a device of each, and how many there are
  for (std::uint32_t device = 0; device < topology.devices; ++device) {
    ++classes.try_emplace(topology.device_class[device], device, 0).first->second.second;
  }
  for (const auto& [kind, members] : classes) {
    for (const auto& [key, row] : rows_of(topology, routes_from(topology, choice, members.first))) {
      for (const auto& [channels, share] : row.shares) {
        add_share(problem, channels, share / row.flows);
      }
      problem.first.push_back(static_cast<std::uint32_t>(problem.hops.size()));
      problem.bytes.push_back(bytes_per_pair.value);
      problem.latency.push_back(std::get<0>(key));
      problem.multiplicity.push_back(members.second * row.flows);
    }
  }
  return problem;
}

}  // namespace moesaic
