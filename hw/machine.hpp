// Machines: what a model can be placed on. Units compute, memories hold, links move.
// A Machine is one node, or a cluster of equal ones: identical devices in scale-up domains, their hosts, and the links
// between them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/config.hpp"
#include "base/dtype.hpp"
#include "base/quantity.hpp"

namespace moesaic {

struct Dram;

/// What a unit's work takes of energy, whatever the machine draws besides.
struct UnitEnergy {
  JoulesPerByte memory;      ///< through its channel to memory, rows opened and all
  JoulesPerFlop arithmetic;  ///< of one operation (half a multiply-add)
};

/// Silicon, by the die that it is on. Zero: none, or not known.
struct DieAreas {
  Area processor;  ///< beside the memory, behind an interposer or a board
  Area buffer;     ///< logic dies below the stacks of memory
  Area dram;       ///< DRAM dies, all of the device together

  Area total() const { return processor + buffer + dram; }
  bool known() const { return total() > Area{}; }
};

struct Memory {
  Bytes capacity;
  BytesPerSecond bandwidth;  ///< of the whole memory
  Bytes cache{};             ///< last-level cache in front of it; zero: none, or not known
  /// Parts with banks of their own (Duplex's bank bundles): two units can read at once where they read different ones.
  int spaces = 1;
  std::shared_ptr<const Dram> dram{};  ///< its commands; null: not known
  DieAreas area{};                     ///< of its dies, without what units add
};

/// A connection of one device, per direction (full duplex).
struct Link {
  std::string name;                  ///< "NVLink 4", "PCIe 5.0 x16"
  BytesPerSecond bandwidth;          ///< one direction, one device
  Seconds latency;                   ///< of one message
  bool in_switch_reduction = false;  ///< the switch can reduce (NVLink SHARP)
  Seconds gap{};                     ///< a sender's time for each further message (LogGP's g); zero: not known
  JoulesPerByte energy{};            ///< zero: not known
};

/// Something that computes: a GPU's tensor cores, a CPU's cores, a PIM array.
struct Unit {
  std::string name;                 ///< "gpu", "pim", "cpu"
  PerDType<FlopsPerSecond> peak{};  ///< dense (not sparse) rate; zero where the format is not supported
  BytesPerSecond memory_bandwidth;  ///< of this unit's channel to its memory
  bool own_channel = false;         ///< the channel is the unit's own (PIM), else it is the whole memory's
  Seconds launch_latency;           ///< from one kernel to the next, when kernels are launched back to back
  int multiprocessors = 0;          ///< blocks of a kernel run on these in waves; 0: not known
  double compute_capability = 0;    ///< NVIDIA's number of the instruction set, 9.0 of Hopper; 0: not known
  std::optional<UnitEnergy> energy;
  double memory_share = 1;      ///< of its channel's bandwidth that its DRAM attains command by command; 1: not known
  DieAreas area;                ///< that it adds
  bool scores_on_chip = false;  ///< attention's never leave it, whatever its kernels
  int queries_per_read = 0;     ///< of a group of heads, that one read of keys and values serves; 0: all
  /// Of its own, apart from the device's (AttAcc's stacks beside a GPU); none: the unit works on the device's memory.
  std::optional<Memory> memory;
  std::optional<Link> link;  ///< between the device's main unit and that memory

  /// The format that arithmetic in `wanted` really runs in: itself, else the next wider supported one
  /// (fp4 -> fp6 -> fp8 -> fp16/bf16 -> tf32 -> fp32 -> fp64; int4 -> int8 -> bf16 ...), else the next narrower one.
  DType arithmetic(DType wanted) const;
};

/// Shares of peak figures that were measured on a host or a device; none: not known.
struct AttainedShares {
  std::optional<double> compute;  ///< of products of matrices
  std::optional<double> memory;   ///< of streams through memory
};

struct Power {
  Watts idle;
  Watts max;
};

struct Device {
  std::string name;
  std::string vendor;
  std::vector<Unit> units;  ///< at least one; the first is the main one
  Memory memory;
  Power power;
  DollarsPerSecond price;                    ///< to rent one device, host included
  std::optional<Link> scale_up;              ///< device to device inside a node
  int scale_up_devices = 1;                  ///< most devices that one scale-up domain can join
  std::optional<Link> host_link;             ///< device to host
  std::optional<double> host_link_attained;  ///< share of its bandwidth that large copies were measured to have
  std::optional<double> host_link_pageable;  ///< the same of copies to and from memory that is not pinned
  std::string placement;      ///< that it is made for, where none is asked for; empty: all on its main unit
  AttainedShares attained;    ///< what no kernel of it exceeds
  const Unit* apart() const;  ///< the unit with a memory of its own; null: none. There is at most one
  /// Kernels as measured on this very device (a kernel profile, see calibrate/profile.hpp), if its file brings them.
  std::optional<Config> profile;
};

struct Host {
  std::string name;
  Unit cpu;       ///< all sockets of one host
  Memory memory;  ///< of all sockets
  Power power;
  int sockets = 1;
  std::optional<Link> socket_link;  ///< what cores of all sockets together read from other sockets' memory
  std::optional<Memory> storage;    ///< drives, read or written
  AttainedShares attained;
};

struct TopologyDescription;

struct Machine {
  std::string name;
  Device device;
  int devices = 1;  ///< of one node
  int nodes = 1;
  std::optional<Host> host;     ///< of one node
  std::optional<Link> network;  ///< one device's share of the network out of the node
  /// How its nodes are joined, to the last switch; null: one node, or nodes joined by nobody knows what.
  std::shared_ptr<const TopologyDescription> topology;

  int total_devices() const { return devices * nodes; }
  DollarsPerSecond price_per_device() const { return device.price; }
};

/// Reads a machine from a resolved configuration (see load_machine_config). Power and price may be left out, which
/// makes them zero. Throws UserError.
Machine read_machine(const Config& config);

/// The configuration of a machine by name, part of a name, or file. References to devices and hosts by name are
/// replaced by their content, so that every figure has a path such as "device.memory.bandwidth". A device's name gives
/// a machine of one device; a cluster is its node's configuration with "nodes" and "fabric". Throws UserError.
Config load_machine_config(const std::string& name_or_file);
/// The network of the first node of the catalog with this device; none if there is no such node.
std::optional<Link> usual_network(const std::string& device);
/// A device as a machine of one, as read_machine() wants it.
Config machine_of_one(const Config& device);

/// All machines of the catalog: clusters first, then nodes, single devices, and the hosts that nodes can have.
struct MachineSummary {
  std::string name;
  std::string kind;  ///< "cluster", "node", "device" or "host"
  std::string description;
};
std::vector<MachineSummary> list_machines();

}  // namespace moesaic
