#include "model/energy.hpp"

namespace moesaic {

Joules WorkEnergy::total() const {
  Joules sum = links;
  for (const UnitWorkEnergy& unit : units) {
    sum += unit.memory + unit.arithmetic;
  }
  return sum;
}

void WorkEnergy::add(const WorkEnergy& other, double times) {
  if (units.empty()) {
    for (const UnitWorkEnergy& unit : other.units) {
      units.push_back({unit.unit, {}, {}});
    }
  }
  MOESAIC_ASSERT(units.size() == other.units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    units[i].memory += other.units[i].memory * times;
    units[i].arithmetic += other.units[i].arithmetic * times;
  }
  links += other.links * times;
}

namespace {

void add_copy(const Task& task, const MachineView& view, double times, WorkEnergy& energy) {
  for (const Demand& demand : task.demands) {
    const Bytes bytes{demand.amount * times};
    if (demand.resource == view.host_to_device || demand.resource == view.device_to_host) {
      energy.links += view.host_link_energy * bytes;
    } else if (demand.resource == view.host_memory && view.has_host()) {
      energy.units[view.device_units].memory += view.host_unit().energy_of_bytes * bytes;
    }
  }
}

}  // namespace

WorkEnergy work_energy(const StepGraph& graph, const MachineView& view) {
  WorkEnergy energy;
  for (const UnitView& unit : view.units) {
    energy.units.push_back({unit.name, {}, {}});
  }
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      if (!task.communication) {
        const UnitView& unit = view.units[task.unit];
        energy.units[task.unit].memory += unit.energy_of_bytes * task.work.memory() * layer.executions;
        energy.units[task.unit].arithmetic += unit.energy_of_flops * task.work.flops * layer.executions;
      } else if (task.queue == Queue::network) {
        energy.links +=
            (view.scale_up_energy * task.work.wire + view.network_energy * task.work.network) * layer.executions;
      } else if (task.queue == Queue::to_unit || task.queue == Queue::from_unit) {
        energy.links += view.units[task.unit].link_energy * task.work.wire * layer.executions;
      } else {
        add_copy(task, view, layer.executions, energy);
      }
    }
  }
  return energy;
}

}  // namespace moesaic
