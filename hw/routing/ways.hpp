// Private to hw: from which adapter to which adapter the bytes between two devices go.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hw/routing/node_paths.hpp"

namespace moesaic {

/// Where a device's bytes enter the network: an adapter of its own, or the device where nodes have none.
struct Port {
  VertexId vertex = 0;
  ChannelId channel = 0;      ///< to the first switch
  std::uint32_t network = 0;  ///< number of that switch
  std::int32_t plane = -1;
  std::uint32_t component = 0;
};

/// One way from a source to a destination: a share of the flow's bytes crosses `inside` and leaves by `up`.
struct Way {
  PieceId inside = kNoPiece;  ///< to the device that forwards; none where the source's own adapter is used
  PieceId up = kNoPiece;      ///< from the device to the first switch
  std::uint32_t network = 0;  ///< that switch
  std::uint32_t port = 0;     ///< of the destination, by its place among the destination's ports
};

class Ways {
 public:
  Ways(const Topology& topology, bool forward_in_node, const Adjacency& whole, const NetworkGraph& network,
       NodePaths& inside, Pieces& pieces);

  /// From one device to another through the network, all equally good; empty where there is none. Not to be kept
  /// beyond the next call.
  std::span<const Way> between(VertexId source, VertexId destination) {
    std::vector<Range>& row = known_[source];
    if (row.empty()) {
      row.resize(signatures_);
    }
    Range& range = row[signature_[destination]];
    if (range.begin == kUnknown) {
      range.begin = static_cast<std::uint32_t>(ways_.size());
      find(source, destination);
      range.end = static_cast<std::uint32_t>(ways_.size());
    }
    return {ways_.data() + range.begin, ways_.data() + range.end};
  }
  std::span<const Port> ports(VertexId device) const {
    return {ports_.data() + first_port_[device], ports_.data() + first_port_[device + 1]};
  }
  /// From the network to the device, by its port.
  PieceId down(VertexId device, std::uint32_t port) {
    const PieceId known = down_[first_port_[device] + port];
    return known != kNoPiece ? known : find_down(device, port);
  }

 private:
  struct Range {
    std::uint32_t begin = kUnknown, end = kUnknown;
  };
  static constexpr std::uint32_t kUnknown = ~0u;
  void find_ports();
  void add_ports(VertexId vertex);
  void find_signatures();
  void find(VertexId source, VertexId destination);
  void add_own(VertexId source, VertexId destination, bool same_plane);
  void add_forwarded(VertexId source, VertexId destination);
  bool add_forwarded(VertexId source, VertexId by, const Port& target, std::uint32_t port);
  PieceId find_down(VertexId device, std::uint32_t port);
  PieceId up(VertexId device, VertexId owner, std::uint32_t port);

  const Topology& topology_;
  bool forward_;
  const Adjacency& whole_;
  const NetworkGraph& network_;
  NodePaths& inside_;
  Pieces& pieces_;

  std::vector<std::uint32_t> first_port_;
  std::vector<Port> ports_;
  std::vector<PieceId> up_, down_;        // of each port of each device, once asked for
  std::vector<std::uint32_t> signature_;  // of each device: destinations of the same are reached alike
  std::uint32_t signatures_ = 0;
  std::vector<std::vector<Range>> known_;  // of each source and signature
  std::vector<Way> ways_;
};

}  // namespace moesaic
