#include "calibrate/communication_peak.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "base/error.hpp"
#include "calibrate/kernel_model.hpp"
#include "calibrate/profile_shelf.hpp"
#include "model/collective.hpp"

namespace moesaic {
namespace {

/// Zero bandwidths: not known.
CollectiveLinks links_of(const Machine& machine, int nodes) {
  const MachineView view = view_machine(machine, 1);
  CollectiveLinks links;
  links.nodes = nodes;
  if (view.scale_up) {
    links.latency = view.scale_up_latency;
    links.bandwidth = {view.resources[*view.scale_up].capacity};
    links.switched = view.switched;
    links.in_switch_reduction = view.in_switch_reduction;
  }
  if (const auto network = machine.network ? machine.network : usual_network(machine.device.name)) {
    links.network_latency = network->latency;
    links.network_bandwidth = network->bandwidth;
    links.network_gap = network->gap;
  }
  return links;
}

std::optional<Seconds> collective_peak(const MeasurementKey& key, const ShapeValues& shape, const Machine& machine) {
  const int ranks = static_cast<int>(shape[1]);
  const int per_node = std::max(1, static_cast<int>(shape[2]));
  const CollectiveLinks links = links_of(machine, (ranks + per_node - 1) / per_node);
  if ((links.nodes > 1 && links.network_bandwidth.value <= 0) || (ranks > links.nodes && links.bandwidth.value <= 0)) {
    return std::nullopt;
  }
  const Collective collective{measured_collective(key.kernel), Bytes{shape[0]}, ranks};
  const CollectiveAlgorithm fastest = fastest_algorithm(collective, links);
  return fastest.latency_on(links) + fastest.busy_on(links);
}

std::optional<Seconds> exchange_peak(const MeasurementKey& key, const ShapeValues& shape, const Machine& machine) {
  const double ranks = shape[3], nodes = shape[4];
  const CollectiveLinks links = links_of(machine, static_cast<int>(nodes));
  if ((nodes > 1 && links.network_bandwidth.value <= 0) || (ranks > nodes && links.bandwidth.value <= 0)) {
    return std::nullopt;
  }
  const KernelSetting setting{Family::expert_exchange, {}, key.kernel, machine_figures(machine)};
  const KernelTerms terms = kernel_point(setting, shape).terms;
  return Seconds{std::max(terms.memory, terms.compute)} + (ranks > nodes ? links.latency : Seconds{}) +
         (nodes > 1 ? links.network_latency : Seconds{});
}

}  // namespace

bool crosses_nodes(const MeasurementKey& key, const ShapeValues& shape) {
  return key.family == Family::collective ? shape[1] > shape[2] : shape[4] > 1;
}

std::optional<Seconds> communication_peak(const MeasurementKey& key, const ShapeValues& shape, const Machine& machine) {
  return key.family == Family::collective        ? collective_peak(key, shape, machine)
         : key.family == Family::expert_exchange ? exchange_peak(key, shape, machine)
                                                 : std::nullopt;
}

void use_communication_peaks(Judgement& judgement, const Measurements& measurements) {
  std::map<std::string, Machine> machines;
  for (JudgedRow& row : judgement.rows) {
    const Measurement& measurement = measurements.rows[row.row];
    const MeasurementKey& key = measurements.key_of(measurement);
    auto found = machines.find(key.device);
    if (found == machines.end()) {  // was judged, so the catalog has it
      found = machines.emplace(key.device, read_machine(load_machine_config(key.device))).first;
    }
    row.roofline = communication_peak(key, measurement.shape, found->second).value_or(Seconds{}).value;
  }
  set_constant_efficiency(judgement, measurements);
}

}  // namespace moesaic
