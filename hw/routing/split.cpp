#include <algorithm>
#include <cmath>
#include <map>

#include "hw/routing/router.hpp"

namespace moesaic {
namespace {

// Cutting over more paths than this is not told from spraying, and would make long rows.
constexpr double kMostPaths = 1024;

void begin(NetworkHops& network, std::uint32_t flow) { network.begin[flow] = network.hops.size(); }

void end(NetworkHops& network, std::uint32_t flow, double latency) {
  network.size[flow] = static_cast<std::uint32_t>(network.hops.size() - network.begin[flow]);
  network.latency[flow] = static_cast<float>(latency);
}

void spread(PathReader& reader, const PathTree& tree, std::uint32_t target, std::uint32_t flow, NetworkHops& network) {
  std::vector<Routes::Hop> hops;
  const double latency = reader.spread(tree, target, hops);
  begin(network, flow);
  network.hops.insert(network.hops.end(), hops.begin(), hops.end());
  end(network, flow, latency);
}

// The flow lies from `from` to `to` on a line of all leftover bytes, of which path i takes those from i to i + 1 times
// `part`.
void cut(PathReader& reader, const PathTree& tree, std::uint32_t target, std::uint32_t flow, double from, double to,
         double part, NetworkHops& network) {
  const double last = tree.paths[target] - 1;
  std::map<ChannelId, double> shares;
  std::vector<ChannelId> order;
  std::vector<Routes::Hop> path;
  double longest = 0;
  for (double i = std::min(last, std::floor(from / part)); i <= last && i * part < to; ++i) {
    const double covered = std::min(to, i == last ? to : (i + 1) * part) - std::max(from, i * part);
    if (covered <= 1e-9 * part) {
      continue;  // rounding at the edge of a part
    }
    path.clear();
    longest = std::max(longest, reader.ranked(tree, target, i, path));
    for (const Routes::Hop& hop : path) {
      const auto [share, is_new] = shares.try_emplace(hop.channel, 0.0);
      share->second += covered / (to - from);
      if (is_new) {
        order.push_back(hop.channel);
      }
    }
  }
  begin(network, flow);
  for (const ChannelId channel : order) {
    network.hops.push_back({channel, static_cast<float>(shares[channel])});
  }
  end(network, flow, longest);
}

}  // namespace

void deal_flows(PathReader& reader, const PathTree& tree, std::uint32_t target, std::span<const std::uint32_t> members,
                std::span<const Demanded> flows, NetworkHops& network) {
  std::vector<std::uint32_t> order(members.begin(), members.end()), rest;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return flows[a].bytes > flows[b].bytes; });
  const double paths = tree.paths[target];
  double left_over = 0;
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {  // one run of equal flows after another
    while (last < order.size() && flows[order[last]].bytes == flows[order[first]].bytes) {
      ++last;
    }
    const auto whole = static_cast<std::size_t>(std::floor(static_cast<double>(last - first) / paths) * paths);
    for (std::size_t i = 0; i < last - first; ++i) {
      const std::uint32_t flow = order[first + i];
      if (i < whole) {
        begin(network, flow);
        const double latency = reader.ranked(tree, target, std::fmod(static_cast<double>(i), paths), network.hops);
        end(network, flow, latency);
      } else if (paths > kMostPaths || flows[flow].bytes <= 0) {
        spread(reader, tree, target, flow, network);
      } else {
        rest.push_back(flow);
        left_over += flows[flow].bytes;
      }
    }
  }
  double at = 0;
  for (const std::uint32_t flow : rest) {
    cut(reader, tree, target, flow, at, at + flows[flow].bytes, left_over / paths, network);
    at += flows[flow].bytes;
  }
}

}  // namespace moesaic
