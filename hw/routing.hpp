// Which channels the bytes of a flow take, by a choice of routing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "hw/topology.hpp"

namespace moesaic {

enum class RoutePolicy : std::uint8_t {
  shortest,  ///< one shortest path: by the lowest switch number, from the destination backwards
  ecmp,      ///< one shortest path, chosen by a hash of (source, destination, flow, seed)
  spray,     ///< evenly over all shortest paths
  split,     ///< whole flows dealt evenly over the paths, what is left over cut into equal parts (2407.00550)
  adaptive   ///< as evenly as any choice of shortest paths can be (what adaptive routing can hope for)
};

struct RouteChoice {
  RoutePolicy policy = RoutePolicy::spray;
  std::uint64_t seed = 1;
  /// Traffic for another plane or rail first crosses the node's scale-up links to the device whose adapter is on it
  /// (PXN). Without it such traffic crosses the network, and fails where planes are not joined.
  bool forward_in_node = true;
  /// Also list channels that spray and adaptive leave out, see Routes.
  bool every_channel = false;
};

/// Throws UserError with the nearest name.
RoutePolicy parse_route_policy(std::string_view text);
std::string_view to_text(RoutePolicy policy);

/// What one device sends another.
struct Demanded {
  std::uint32_t source = 0;
  std::uint32_t destination = 0;
  double bytes = 0;
};

/// The routes of many flows, row by row: flow i takes hops [first[i], first[i+1]). Under spray and adaptive, channels
/// that repeat another one's constraint are left out: those that carry the same shares of the same flows as a channel
/// with no more bandwidth, such as all but one of the uplinks of a leaf that sprays. No rate and no time depends on
/// them.
struct Routes {
  struct Hop {
    ChannelId channel = 0;
    float share = 1;  ///< of the flow's bytes
  };
  std::vector<std::uint32_t> first;
  std::vector<Hop> hops;
  std::vector<float> latency;  ///< seconds of the longest path of the flow
  Seconds busiest_bound{};     ///< adaptive: with no choice of shortest paths is the busiest trunk busy for less
};

/// A device uses its own adapters, several of them in the place of the destination's: evenly under spray and adaptive,
/// in turn under split, by hash under ecmp, the first one under shortest. Bytes cross switches; they cross an adapter
/// only to leave or arrive, and a device only where it forwards inside its node. Inside nodes, scale-up links are
/// preferred, and spray and adaptive alone divide a flow.
/// Routes of all flows together (split and adaptive look at all of them). Flows from a device to itself have no hops.
/// Throws UserError that names the two devices where there is no way, and when a device does not exist.
Routes route_flows(const Topology& topology, const RouteChoice& choice, std::span<const Demanded> flows);

}  // namespace moesaic
