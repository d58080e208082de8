// The interconnect of a machine as a graph: devices, network adapters and switches, joined by split-duplex links.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

using VertexId = std::uint32_t;
/// One direction of a link: 2 * link from `a` to `b`, 2 * link + 1 from `b` to `a`.
using ChannelId = std::uint32_t;

enum class VertexKind : std::uint8_t { device, adapter, switch_ };  // adapter: a NIC; a PCIe root complex is a switch

struct Vertex {
  VertexKind kind = VertexKind::switch_;
  std::int32_t node = -1;   ///< the host that it is in; -1: a switch of the network
  std::int32_t plane = -1;  ///< of a multi-plane or multi-rail network; -1: none
  std::uint8_t level = 0;   ///< of switches: 0 inside a node, 1 leaf, 2 spine, 3 core
};

/// What a link is for; links of one role have one price.
enum class LinkRole : std::uint8_t {
  scale_up,  ///< NVLink and its like, inside a node or rack
  pcie,      ///< device or adapter to PCIe switch or root
  socket,    ///< between the sockets of a host
  endpoint,  ///< adapter (or device) to the network's first switch
  local,     ///< switch to switch, short: leaf to spine, inside a group
  global     ///< switch to switch, long: spine to core, between groups
};

struct TopologyLink {
  VertexId a = 0;
  VertexId b = 0;
  BytesPerSecond bandwidth;  ///< of each direction
  Seconds latency;           ///< of one message over this hop, the switch at its end included
  LinkRole role = LinkRole::local;
};

/// Vertices 0 to devices - 1 are the devices, those of one node in a row.
struct Topology {
  std::string name;
  std::string kind;  ///< "fat-tree", "dragonfly", "graph", ...
  std::vector<Vertex> vertices;
  std::vector<TopologyLink> links;
  std::uint32_t devices = 0;
  std::uint32_t nodes = 0;
  /// Devices and channels that a symmetry of the graph maps onto one another have the same class: what one of them
  /// carries under a symmetric load, all carry. Both empty where no symmetry is known.
  std::vector<std::uint32_t> device_class;
  std::vector<std::uint32_t> channel_class;

  std::uint32_t channels() const { return static_cast<std::uint32_t>(2 * links.size()); }
  VertexId from(ChannelId channel) const { return (channel & 1) != 0 ? links[channel / 2].b : links[channel / 2].a; }
  VertexId to(ChannelId channel) const { return (channel & 1) != 0 ? links[channel / 2].a : links[channel / 2].b; }
};

}  // namespace moesaic
