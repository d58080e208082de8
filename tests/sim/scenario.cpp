#include "tests/sim/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/catalog.hpp"
#include "hw/figures.hpp"
#include "tests/model/draw.hpp"
#include "tests/model/random_architecture.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

Machine any_machine(bool any_figures, const char* only = nullptr) {
  Machine machine = machine_named(
      only != nullptr ? only
                      : any_of<std::string>({"dgx-h100", "dgx-h200", "mi300x-8", "l40s-8-pcie", "gb200-nvl72",
                                             "rtx-4090", "xeon-8380-a40", "duplex-4", "tpu-v6e"}));
  if (any_figures) {
    for (const HardwareFigure& figure : hardware_figures(machine)) {
      machine = scale_figure(machine, figure.path, std::exp2(static_cast<double>(up_to(17) - 9) / 4));
    }
  }
  return machine;
}

Mapping any_mapping(const Architecture& architecture, const Machine& machine) {
  std::vector<Mapping> valid;
  for (int tensor = 1; tensor <= std::min(machine.devices, 16); tensor *= 2) {
    for (int data = 1; tensor * data <= std::min(machine.devices, 16); data *= 2) {
      for (int expert = 1; expert <= tensor * data; expert *= 2) {
        try {
          check_mapping(architecture, {tensor, data, expert}, machine);
          valid.push_back({tensor, data, expert});
        } catch (const UserError&) {
          continue;
        }
      }
    }
  }
  return *rc::gen::elementOf(valid);
}

/// The mapping on as many times more devices as there are pipeline stages or context-parallel ranks, where that works.
Mapping widened(const Architecture& architecture, const Machine& machine, const Mapping& mapping) {
  Mapping wider = mapping;
  wider.pipeline = any_of<int>({1, 2, 3});
  wider.context = any_of<int>({1, 2, 4});
  wider.context_ring = coin();
  wider.expert_slices = mapping.expert_tensor();
  try {
    check_mapping(architecture, wider, machine);
    return wider;
  } catch (const UserError&) {
    return mapping;
  }
}

CostModelPointer any_cost(Costs costs, const Machine& machine) {
  const std::int64_t drawn = costs == Costs::peak       ? 1
                             : costs == Costs::measured ? 4
                                                        : up_to(costs == Costs::formulas ? 3 : 4);
  switch (drawn) {
    case 1:
      return roofline_cost_model();
    case 2:
      return default_cost_model();
    case 4:
      return load_cost_model("measured", machine);
    default:
      return scaled_profile(static_cast<double>(up_to(40)) / 20, static_cast<double>(up_to(20)),
                            Seconds{static_cast<double>(up_to(1000)) * 1e-6});
  }
}

/// Room for all weights, and for `share` of what grows with the load.
Machine with_memory(const Deployment& deployed, const Load& load, double share) {
  Machine machine = deployed.plan.machine();
  const auto room = [&](const MemoryFootprint& needed) {
    return needed.weights + needed.buffers + (needed.kv + needed.state + needed.activations) * share;
  };
  const ReplicaMemory needed =
      replica_memory(deployed.plan, Predictor(deployed).memory_load(load, static_cast<double>(load.batch)));
  machine.device.memory.capacity = room(needed.device) / (1 - deployed.cost->reserve_fraction());
  if (machine.host && needed.host.total() > Bytes{0}) {
    machine.host->memory.capacity = room(needed.host);
  }
  return machine;
}

}  // namespace

Scenario any_scenario(const Range& range) {
  const Architecture architecture = any_architecture();
  const std::string placement = *rc::gen::elementOf(range.placements);
  const char* only = placement == "two-unit"   ? any_of<const char*>({"duplex-4", "duplex"})
                     : placement == "streamed" ? any_of<const char*>({"xeon-8380-a40", "desktop-4090", "dgx-h100"})
                                               : nullptr;
  const Machine machine = any_machine(range.any_figures, only);
  Mapping mapping = range.one_device ? Mapping{} : any_mapping(architecture, machine);
  StepFeatures features;
  if (range.every_mapping) {
    mapping = widened(architecture, machine, mapping);
    const auto overlaps = placement == "resident" ? std::vector<std::string>{"none", "shared", "two-batch", "chunks=3"}
                                                  : std::vector<std::string>{"none", "shared", "chunks=2"};
    features = {parse_overlap(*rc::gen::elementOf(overlaps)), any_of<double>({0, 0, 1, 1.25})};
  }
  const auto routing = any_of<std::string>({"uniform", "uniform", "zipf:0.5", "zipf:1.2"});
  const Load load{.batch = up_to(range.most_batch),
                  .input = up_to(5000),
                  .output = up_to(range.most_output),
                  .step_tokens = range.chunked_prefill ? any_of<std::int64_t>({100, 1000, 8192}) : 1 << 24};
  const CostModelPointer cost = any_cost(range.costs, machine);
  std::string text = fmt::format("{} layers of {} kinds, {} on {}, {}, {}, batch {}, {} in, {} out, steps of {}",
                                 architecture.layers.size(), architecture.kinds.size(), placement, machine.name,
                                 to_text(mapping) + " " + to_text(features.overlap), routing, load.batch, load.input,
                                 load.output, load.step_tokens);
  Deployment deployed{StepPlan(architecture, architecture.precision, machine, mapping, make_placement(placement),
                               routing, ExchangeKind::automatic, features),
                      cost};
  if (range.enough_memory) {
    deployed.plan = deployed.plan.on(with_memory(deployed, load, 1.01));
  } else if (range.any_figures && coin()) {
    const double share = static_cast<double>(up_to(20)) / 18;  // a tenth to a little more than all
    deployed.plan = deployed.plan.on(with_memory(deployed, load, share));
  }
  return {std::move(deployed), load, routing, std::move(text)};
}

Deployment deployment(const std::string& model, const std::string& machine, const Mapping& mapping,
                      const std::string& placement, const CostModelPointer& cost) {
  const Architecture architecture = preset(model);
  Machine on = machine_named(machine);
  on.devices = std::max(on.devices, mapping.devices());
  return {StepPlan(architecture, architecture.precision, on, mapping, make_placement(placement)), cost};
}

CostModelPointer scaled_profile(double fractions, double launches, Seconds step_overhead) {
  Config profile = Config::load(find_in_catalog("profiles", "profile", "default").file);
  const auto scale = [&](const std::string& path, const Config& value, double factor, double most) {
    profile = profile.set(path, fmt::format("{}", std::min(most, value.number() * factor)));
  };
  const Config original = profile;
  for (const std::string& kind : original.at("kernels").keys()) {
    const Config kernel = original.at("kernels").at(kind);
    scale("kernels." + kind + ".compute", kernel.at("compute"), fractions, 1);
    scale("kernels." + kind + ".memory", kernel.at("memory"), fractions, 1);
    scale("kernels." + kind + ".launches", kernel.at("launches"), launches, 1e9);
  }
  profile = profile.set("step_overhead", fmt::format("{} s", step_overhead.value));
  return efficiency_cost_model(profile);
}

}  // namespace moesaic
