// The ways of dividing a network between a device and its host that a search for a placement looks at.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/architecture.hpp"

namespace moesaic {

/// What most tells placements from each other; of equal ones the first is taken.
enum class OffloadKind : std::uint8_t {
  resident,      ///< all weights on the device
  host_experts,  ///< experts that are not on the device are computed by the host
  cheaper,       ///< by the host or, copied in, by the device, whichever is faster
  balanced,      ///< divided so that host and link end together
  fetched,       ///< copied in once they are chosen, or ahead where they are foreseen
  streamed,      ///< every layer's missing weights copied in ahead, chosen or not
  host_layers,   ///< the first layers on the device, the host computes the others
  host           ///< everything on the host
};
inline constexpr std::size_t kOffloadKinds = 8;
inline constexpr std::array<OffloadKind, kOffloadKinds> kEveryOffloadKind = {
    OffloadKind::resident, OffloadKind::host_experts, OffloadKind::cheaper,     OffloadKind::balanced,
    OffloadKind::fetched,  OffloadKind::streamed,     OffloadKind::host_layers, OffloadKind::host};
/// "resident", "host-experts", ...: stable, for files.
std::string_view to_text(OffloadKind kind);

/// Attention, shared experts and dense layers on the device: all, as much as fits where that is not all, or none.
enum class DenseHome : std::uint8_t { device, largest, streamed };
/// The cache on the device; on the host, which computes decode attention beside it, or from where it is copied in; or
/// as much on the device as fits with the host's attention over the rest.
enum class CacheHome : std::uint8_t { device, host, copied, divided };

/// A placement but for the shares, which follow from memory: what of it is not decided here is as large as fits.
struct OffloadShape {
  OffloadKind kind = OffloadKind::resident;
  DenseHome dense = DenseHome::device;
  CacheHome cache = CacheHome::device;
  double fraction = 1;  ///< of the largest share of experts (of host_layers, number of layers) that fits
  int batches = 1;
  int buffered_layers = 2;
  bool operator==(const OffloadShape&) const = default;
};

/// All shapes of one kind, in one batch; none where the network has no experts and the kind is about them. In an order
/// in which simpler ones come first.
std::vector<OffloadShape> list_offload_shapes(const Architecture& architecture, OffloadKind kind);

}  // namespace moesaic
