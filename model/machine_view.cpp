#include "model/machine_view.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace moesaic {
namespace {

ResourceId add(MachineView& view, std::string path, ResourceKind kind, double capacity) {
  MOESAIC_ASSERT(view.resources.size() < 255);
  view.resources.push_back({std::move(path), kind, capacity});
  return static_cast<ResourceId>(view.resources.size() - 1);
}

UnitView view_unit(const Unit& unit, ResourceId arithmetic, ResourceId memory, double share) {
  UnitView result{.name = unit.name,
                  .arithmetic = arithmetic,
                  .memory = memory,
                  .launch_latency = unit.launch_latency,
                  .multiprocessors = static_cast<double>(unit.multiprocessors),
                  .compute_capability = unit.compute_capability,
                  .memory_share = unit.memory_share,
                  .scores_on_chip = unit.scores_on_chip,
                  .queries_per_read = unit.queries_per_read};
  if (unit.energy) {
    result.energy_of_bytes = unit.energy->memory;
    result.energy_of_flops = unit.energy->arithmetic;
  }
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    const DType runs_in = unit.arithmetic(static_cast<DType>(i));
    result.runs_in[i] = runs_in;
    result.seconds_per_flop[i] = 1 / (unit.peak[static_cast<std::size_t>(runs_in)].value * share);
  }
  return result;
}

}  // namespace

MachineView view_machine(const Machine& machine, int ranks, int at_work) {
  MachineView view;
  const ResourceId memory =
      add(view, "device.memory.bandwidth", ResourceKind::memory, machine.device.memory.bandwidth.value);
  for (const Unit& unit : machine.device.units) {
    const std::string path = "device.units." + unit.name;
    const ResourceId arithmetic = add(view, path + ".peak", ResourceKind::arithmetic, 1);
    const ResourceId channel =
        unit.own_channel ? add(view, path + ".memory_bandwidth", ResourceKind::memory, unit.memory_bandwidth.value)
        : unit.memory    ? add(view, path + ".memory.bandwidth", ResourceKind::memory, unit.memory_bandwidth.value)
                         : memory;
    view.units.push_back(view_unit(unit, arithmetic, channel, 1));
    if (unit.memory) {
      UnitView& apart = view.units.back();
      apart.apart = true;
      apart.link_out = add(view, path + ".link.bandwidth", ResourceKind::link, unit.link->bandwidth.value);
      apart.link_in = add(view, path + ".link.bandwidth", ResourceKind::link, unit.link->bandwidth.value);
      apart.link_latency = unit.link->latency;
      apart.link_energy = unit.link->energy;
    }
  }
  view.device_units = view.units.size();
  view.device_cache = machine.device.memory.cache;
  view.memory_spaces = machine.device.memory.spaces;
  view.device_attained = machine.device.attained;

  const auto& host_link = machine.device.host_link;
  if (machine.device.scale_up) {
    view.scale_up =
        add(view, "device.scale_up.bandwidth", ResourceKind::link, machine.device.scale_up->bandwidth.value);
    view.scale_up_latency = machine.device.scale_up->latency;
    view.switched = true;
    view.in_switch_reduction = machine.device.scale_up->in_switch_reduction;
    view.scale_up_energy = machine.device.scale_up->energy;
  } else if (host_link) {
    view.scale_up = add(view, "device.host_link.bandwidth", ResourceKind::link, host_link->bandwidth.value);
    view.scale_up_latency = host_link->latency;
    view.scale_up_energy = host_link->energy;
  }
  view.node_devices = machine.devices;
  if (machine.network && ranks > machine.devices) {
    view.network = add(view, "network.bandwidth", ResourceKind::link, machine.network->bandwidth.value);
    view.network_latency = machine.network->latency;
    view.network_gap = machine.network->gap;
    view.network_energy = machine.network->energy;
  }
  if (machine.host && host_link) {
    view.host_to_device = add(view, "device.host_link.bandwidth", ResourceKind::link, host_link->bandwidth.value);
    view.device_to_host = add(view, "device.host_link.bandwidth", ResourceKind::link, host_link->bandwidth.value);
    view.host_link_latency = host_link->latency;
    view.host_link_energy = host_link->energy;
  }
  if (machine.host) {
    view.host_ranks = std::min({ranks, machine.devices, at_work});
    const double share = 1.0 / view.host_ranks;
    const Host& host = *machine.host;
    view.host_memory = add(view, "host.memory.bandwidth", ResourceKind::memory, host.memory.bandwidth.value * share);
    const ResourceId arithmetic = add(view, "host.cpu.peak", ResourceKind::arithmetic, 1);
    view.units.push_back(view_unit(host.cpu, arithmetic, *view.host_memory, share));
    view.units.back().on_host = true;
    view.host_compute_attained = host.attained.compute;
    view.host_memory_attained = host.attained.memory;
    view.host_link_attained = machine.device.host_link_attained;
    view.host_link_pageable = machine.device.host_link_pageable;
    view.sockets = host.sockets;
    if (host.storage) {
      view.storage = add(view, "host.storage.bandwidth", ResourceKind::link, host.storage->bandwidth.value * share);
    }
    if (host.socket_link) {
      view.socket_link =
          add(view, "host.socket_link.bandwidth", ResourceKind::link, host.socket_link->bandwidth.value * share);
      view.other_sockets = 1 - 1.0 / host.sockets;
    }
  }
  return view;
}

}  // namespace moesaic
