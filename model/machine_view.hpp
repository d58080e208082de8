// One rank's view of a machine: a flat list of resources with capacities, and where each unit's work goes.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "hw/machine.hpp"

namespace moesaic {

using ResourceId = std::uint8_t;

enum class ResourceKind : std::uint8_t { arithmetic, memory, link };

/// Anything that work occupies. Arithmetic is counted in seconds at the peak rate of the format in use (capacity 1),
/// memories and links in bytes.
struct Resource {
  std::string path;  ///< configuration path of the figure behind it, e.g. "device.memory.bandwidth"
  ResourceKind kind = ResourceKind::arithmetic;
  double capacity = 0;  ///< per second
};

/// A unit of the rank: which resources its work occupies.
struct UnitView {
  std::string name;
  ResourceId arithmetic = 0;
  ResourceId memory = 0;
  PerDType<double> seconds_per_flop{};  ///< at peak, by the format asked for (the next wider supported one is used)
  PerDType<DType> runs_in{};            ///< the format that really runs
  Seconds launch_latency{};
  double multiprocessors = 0;       ///< 0: not known
  double compute_capability = 0;    ///< 0: not known
  double memory_share = 1;          ///< of its channel that the DRAM attains command by command
  JoulesPerByte energy_of_bytes{};  ///< through its channel; zero: not known
  JoulesPerFlop energy_of_flops{};
  bool on_host = false;
  bool scores_on_chip = false;
  int queries_per_read = 0;  ///< 0: all of a group
  /// Of a unit with a memory of its own: its link with the main unit.
  bool apart = false;
  ResourceId link_out = 0, link_in = 0;  ///< to the unit, and back
  Seconds link_latency{};
  JoulesPerByte link_energy{};
};

/// What kernels and copies attain of peak figures, for decisions that a placement makes by comparing times.
struct Attained {
  double host_compute = 1;
  double host_memory = 1;  ///< and what all users of the host's memory together can have of its bandwidth
  double host_link = 1;
  bool dram = false;   ///< units have of their channels what their DRAM attains (UnitView::memory_share), else all
  Seconds handover{};  ///< of a copy that is waited for, beside the link's latency
  Seconds device_operator{};  ///< the least that an operator takes
  Seconds host_operator{};
  double pageable = 1;  ///< of what pinned copies attain, what those from memory that is not pinned do
  double device_compute = 1, device_memory = 1;  ///< of the device's peak rates, by products of experts
};

/// The resources of one representative rank. Devices are alike, so one stands for all; what several ranks share (host
/// cores, host memory) is divided among them.
struct MachineView {
  std::vector<Resource> resources;
  std::vector<UnitView> units;  ///< device units in order, then the host's
  std::size_t device_units = 0;
  std::optional<ResourceId> scale_up;  ///< what one rank sends to its peers in the node
  std::optional<ResourceId> network;   ///< what it sends to other nodes; none where the replica has one node
  std::optional<ResourceId> host_to_device;
  std::optional<ResourceId> device_to_host;
  std::optional<ResourceId> host_memory;
  std::optional<ResourceId> storage;      ///< reads and writes of the host's drives
  std::optional<ResourceId> socket_link;  ///< between the sockets of the host
  int sockets = 1;                        ///< of the host
  double other_sockets = 0;               ///< share of the host's memory that a core's socket does not have
  Bytes device_cache{};                   ///< last-level cache of the device; zero: not known
  int memory_spaces = 1;                  ///< parts of the device's memory that units can read at once
  JoulesPerByte scale_up_energy{};        ///< zero: not known
  JoulesPerByte network_energy{};
  JoulesPerByte host_link_energy{};  ///< either way
  Seconds scale_up_latency{};
  Seconds network_latency{};
  Seconds network_gap{};
  Seconds host_link_latency{};
  bool switched = false;  ///< any two devices of the node talk at full rate (NVSwitch)
  bool in_switch_reduction = false;
  int node_devices = 1;  ///< ranks fill one node before the next
  int host_ranks = 1;    ///< that use a node's host at once, each with an equal part of it
  Attained attained{};
  /// Of the machine's own file, in the place of what a cost model knows of hosts in general.
  std::optional<double> host_compute_attained, host_memory_attained, host_link_attained;
  std::optional<double> host_link_pageable;  ///< of copies that are not pinned
  AttainedShares device_attained{};          ///< what no kernel of the device exceeds
  Attained own_or(const Attained& general) const {
    Attained own = general;
    own.host_compute = host_compute_attained.value_or(general.host_compute);
    own.host_memory = host_memory_attained.value_or(general.host_memory);
    own.host_link = host_link_attained.value_or(general.host_link);
    own.pageable = host_link_pageable ? *host_link_pageable / own.host_link : general.pageable;
    return own;
  }
  /// What a device's unit has of its memory.
  BytesPerSecond memory_rate(const UnitView& unit) const {
    return BytesPerSecond{resources[unit.memory].capacity * (attained.dram ? unit.memory_share : 1)};
  }

  bool has_host() const { return units.size() > device_units; }
  const UnitView& host_unit() const { return units[device_units]; }
};

/// Nodes that a group of `ranks` ranks spans, each `stride` further than the one before.
inline int nodes_of(const MachineView& view, int ranks, int stride = 1) {
  const int in_a_node = stride < view.node_devices ? view.node_devices / stride : 1;
  return (ranks + in_a_node - 1) / in_a_node;
}

/// `ranks`: devices of the replica; those of one node share its host. `at_work`: how many of them do so at once, where
/// that is fewer.
MachineView view_machine(const Machine& machine, int ranks, int at_work = std::numeric_limits<int>::max());

}  // namespace moesaic
