#include "hw/figures.hpp"

#include <cmath>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

// Calls visit(path, value in SI units, more_is_better) for every figure, also for those that are zero.
template <class Visit>
void visit_memory(const std::string& path, Memory& memory, const Visit& visit) {
  visit(path + ".capacity", memory.capacity.value, true);
  visit(path + ".bandwidth", memory.bandwidth.value, true);
}

template <class Visit>
void visit_link(const std::string& path, std::optional<Link>& link, const Visit& visit) {
  if (link) {
    visit(path + ".bandwidth", link->bandwidth.value, true);
    visit(path + ".latency", link->latency.value, false);
  }
}

template <class Visit>
void visit_unit(const std::string& path, Unit& unit, const Visit& visit) {
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    visit(path + ".peak." + std::string(name(static_cast<DType>(i))), unit.peak[i].value, true);
  }
  if (unit.own_channel) {
    visit(path + ".memory_bandwidth", unit.memory_bandwidth.value, true);
  }
  visit(path + ".launch_latency", unit.launch_latency.value, false);
  if (unit.memory) {
    visit_memory(path + ".memory", *unit.memory, visit);
  }
  visit_link(path + ".link", unit.link, visit);
}

template <class Visit>
void visit_figures(Machine& machine, const Visit& visit) {
  for (Unit& unit : machine.device.units) {
    visit_unit("device.units." + unit.name, unit, visit);
  }
  visit_memory("device.memory", machine.device.memory, visit);
  visit_link("device.scale_up", machine.device.scale_up, visit);
  visit_link("device.host_link", machine.device.host_link, visit);
  if (machine.host) {
    visit_unit("host.cpu", machine.host->cpu, visit);
    visit_memory("host.memory", machine.host->memory, visit);
  }
  visit_link("network", machine.network, visit);
}

void share_channel(Unit& unit, const Memory& memory) {
  if (!unit.own_channel) {
    unit.memory_bandwidth = (unit.memory ? *unit.memory : memory).bandwidth;
  }
}

}  // namespace

std::vector<HardwareFigure> hardware_figures(const Machine& machine) {
  Machine copy = machine;
  std::vector<HardwareFigure> figures;
  visit_figures(copy, [&](const std::string& path, double value, bool more_is_better) {
    if (value > 0) {
      figures.push_back({path, more_is_better});
    }
  });
  return figures;
}

Machine scale_figure(const Machine& machine, const std::string& path, double factor) {
  MOESAIC_ASSERT(std::isfinite(factor) && factor > 0);
  Machine scaled = machine;
  bool found = false;
  std::vector<std::string> known;
  visit_figures(scaled, [&](const std::string& figure, double& value, bool) {
    if (value > 0) {
      known.push_back(figure);
      if (figure == path) {
        value *= factor;
        found = true;
      }
    }
  });
  if (!found) {
    throw UserError("machine " + printable(machine.name) + " has no figure '" + printable(path) + "'" +
                    suggest(path, known));
  }
  for (Unit& unit : scaled.device.units) {
    share_channel(unit, scaled.device.memory);
  }
  if (scaled.host) {
    share_channel(scaled.host->cpu, scaled.host->memory);
  }
  return scaled;
}

}  // namespace moesaic
