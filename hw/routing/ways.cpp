#include "hw/routing/ways.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"

namespace moesaic {

Ways::Ways(const Topology& topology, bool forward_in_node, const Adjacency& whole, const NetworkGraph& network,
           NodePaths& inside, Pieces& pieces)
    : topology_(topology),
      forward_(forward_in_node),
      whole_(whole),
      network_(network),
      inside_(inside),
      pieces_(pieces),
      known_(topology.devices) {
  find_ports();
  find_signatures();
}

void Ways::add_ports(VertexId vertex) {
  for (const Adjacency::Arc& arc : whole_.arcs(vertex)) {
    if (const std::int32_t number = network_.number[arc.to]; number >= 0) {
      ports_.push_back({vertex, arc.channel, static_cast<std::uint32_t>(number), topology_.vertices[vertex].plane,
                        network_.component[number]});
    }
  }
}

// Of D devices and A adapters of a node, device d has the adapters of the same group, of min(A, D) groups: several of
// its own, or one with others (NodeDescription).
void Ways::find_ports() {
  std::vector<Routes::Hop> hops;
  first_port_.reserve(topology_.devices + 1);
  for (std::int32_t node = 0; node < static_cast<std::int32_t>(topology_.nodes); ++node) {
    std::vector<VertexId> adapters;
    for (const VertexId member : inside_.members(node)) {
      if (topology_.vertices[member].kind == VertexKind::adapter) {
        adapters.push_back(member);
      }
    }
    const std::size_t devices = inside_.devices(node), groups = std::min(devices, adapters.size());
    for (std::size_t d = 0; d < devices; ++d) {
      first_port_.push_back(static_cast<std::uint32_t>(ports_.size()));
      if (adapters.empty()) {
        add_ports(inside_.first_device(node) + static_cast<VertexId>(d));
      }
      for (std::size_t a = 0; a < adapters.size(); ++a) {
        const VertexId device = inside_.first_device(node) + static_cast<VertexId>(d);
        if (a * groups / adapters.size() == d * groups / devices && inside_.hops(device, adapters[a], hops)) {
          add_ports(adapters[a]);
        }
      }
    }
  }
  first_port_.push_back(static_cast<std::uint32_t>(ports_.size()));
  up_.assign(ports_.size(), kNoPiece);
  down_.assign(ports_.size(), kNoPiece);
}

void Ways::find_signatures() {
  std::map<std::vector<std::int64_t>, std::uint32_t> numbers;
  signature_.reserve(topology_.devices);
  std::vector<std::int64_t> signature;
  for (VertexId device = 0; device < topology_.devices; ++device) {
    signature.assign(1, device - inside_.first_device(topology_.vertices[device].node));
    for (const Port& port : ports(device)) {
      signature.push_back(port.plane);
      signature.push_back(port.component);
    }
    const auto next = static_cast<std::uint32_t>(numbers.size());
    signature_.push_back(numbers.try_emplace(signature, next).first->second);
  }
  signatures_ = static_cast<std::uint32_t>(numbers.size());
}

void Ways::find(VertexId source, VertexId destination) {
  const std::size_t before = ways_.size();
  add_own(source, destination, true);
  if (ways_.size() == before && forward_) {
    add_forwarded(source, destination);
  }
  if (ways_.size() == before) {
    add_own(source, destination, false);
  }
}

// Ports in the same place of equally many go together; else any goes with any.
void Ways::add_own(VertexId source, VertexId destination, bool same_plane) {
  const std::span<const Port> from = ports(source), to = ports(destination);
  const bool by_plane = same_plane && !from.empty() && from.front().plane >= 0;
  const std::size_t before = ways_.size();
  for (const bool paired : {true, false}) {
    for (std::uint32_t j = 0; j < to.size(); ++j) {
      for (std::uint32_t i = 0; i < from.size(); ++i) {
        const bool meant = by_plane || !paired || (from.size() == to.size() && i == j);
        if (meant && from[i].component == to[j].component && (!same_plane || from[i].plane == to[j].plane)) {
          if (const PieceId piece = up(source, source, i); piece != kNoPiece) {
            ways_.push_back({kNoPiece, piece, from[i].network, j});
          }
        }
      }
    }
    if (ways_.size() > before) {
      return;
    }
  }
}

// The device in the place of the destination forwards if it can, as then all devices forward equally much.
void Ways::add_forwarded(VertexId source, VertexId destination) {
  const std::int32_t node = topology_.vertices[source].node;
  const VertexId first = inside_.first_device(node);
  const VertexId alike = first + destination - inside_.first_device(topology_.vertices[destination].node);
  const std::uint32_t devices = inside_.devices(node);
  for (std::uint32_t j = 0; j < ports(destination).size(); ++j) {
    const Port target = ports(destination)[j];
    bool added = alike < first + devices && add_forwarded(source, alike, target, j);
    for (VertexId by = first; !added && by < first + devices; ++by) {
      added = add_forwarded(source, by, target, j);
    }
  }
}

bool Ways::add_forwarded(VertexId source, VertexId by, const Port& target, std::uint32_t port) {
  const std::span<const Port> candidates = ports(by);
  for (std::uint32_t i = 0; i < candidates.size() && by != source; ++i) {
    if (candidates[i].plane != target.plane || candidates[i].component != target.component) {
      continue;
    }
    if (const PieceId piece = up(source, by, i); piece != kNoPiece) {  // it can reach that adapter without help
      ways_.push_back({kNoPiece, piece, candidates[i].network, port});
      return true;
    }
    const PieceId inside = inside_.between(source, by), onwards = up(by, by, i);
    if (inside != kNoPiece && onwards != kNoPiece) {
      ways_.push_back({inside, onwards, candidates[i].network, port});
      return true;
    }
  }
  return false;
}

// From a device by a port of a device of the same node to its first switch. Others' ports are asked for once each.
PieceId Ways::up(VertexId device, VertexId owner, std::uint32_t port) {
  const std::uint32_t index = first_port_[owner] + port;
  if (device == owner && up_[index] != kNoPiece) {
    return up_[index];
  }
  std::vector<Routes::Hop> hops;
  const std::optional<double> latency = inside_.hops(device, ports_[index].vertex, hops);
  if (!latency) {
    return kNoPiece;
  }
  const ChannelId channel = ports_[index].channel;
  hops.push_back({channel, 1});
  const PieceId piece = pieces_.add(hops, *latency + topology_.links[channel / 2].latency.value);
  if (device == owner) {
    up_[index] = piece;
  }
  return piece;
}

PieceId Ways::find_down(VertexId device, std::uint32_t port) {
  const std::uint32_t index = first_port_[device] + port;
  std::vector<Routes::Hop> hops;
  const std::optional<double> latency = inside_.hops(device, ports_[index].vertex, hops);
  MOESAIC_ASSERT(latency);  // ports are of adapters that the device reaches
  hops.push_back({ports_[index].channel, 1});
  std::reverse(hops.begin(), hops.end());
  for (Routes::Hop& hop : hops) {
    hop.channel ^= 1;
  }
  return down_[index] = pieces_.add(hops, *latency + topology_.links[ports_[index].channel / 2].latency.value);
}

}  // namespace moesaic
