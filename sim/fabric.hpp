// How long collectives take on a topology: by closed forms, by our own flows, or by SimGrid's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "hw/routing.hpp"
#include "model/collective.hpp"
#include "sim/flows.hpp"

namespace moesaic {

enum class FabricModel : std::uint8_t {
  closed_form,  ///< every rank has its links to itself
  flows,        ///< max-min fair on the topology
  simgrid       ///< the same flows in SimGrid
};
/// "closed-form", "flows" or "simgrid". Throws UserError with the nearest name.
FabricModel parse_fabric_model(std::string_view text);
std::string_view to_text(FabricModel model);

struct Fabric {
  const Topology* topology = nullptr;  ///< needed by flows
  RouteChoice routes{};
  FabricModel model = FabricModel::flows;
};

struct FabricTime {
  std::string algorithm;
  Seconds latency;  ///< of the algorithm's dependent messages
  Seconds busy;     ///< the bytes on their way
  Seconds bound;    ///< of `busy`: the busiest channel alone; zero for closed forms
  Bytes scale_up;   ///< sent by one rank
  Bytes network;
  std::size_t flows = 0;
  std::size_t events = 0;
  Seconds total() const { return latency + busy; }
};

/// One collective by one algorithm, run by `groups` groups of ranks at once (see collective_flows). Throws UserError
/// where the topology has fewer devices, or no way between two of them.
FabricTime collective_time(const Collective& collective, const CollectiveAlgorithm& algorithm,
                           const CollectiveLinks& links, int groups, const Fabric& fabric);

/// Flows one phase after the other.
FabricTime phases_time(const std::vector<std::vector<Demanded>>& phases, const Fabric& fabric);

}  // namespace moesaic
