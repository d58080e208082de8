#include "apps/scenario.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "calibrate/engine_cost.hpp"
#include "model/hybrid_description.hpp"
#include "model/mapping_text.hpp"
#include "sim/contended_cost.hpp"
#include "sim/simulated_hits.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostDevices = 1 << 20;

struct Setting {
  std::string path;
  std::string value;
  bool of_model = false;
  bool of_placement = false;
};

constexpr std::string_view kModel = "model.", kPlacement = "placement.";

Setting parse_setting(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UserError("--set: '" + text + "' is not PATH=VALUE; for example device.memory.bandwidth=8TB/s");
  }
  Setting setting{text.substr(0, equals), text.substr(equals + 1)};
  if (setting.path.starts_with(kModel)) {
    setting.path.erase(0, kModel.size());
    setting.of_model = true;
  } else if (setting.path.starts_with(kPlacement)) {
    setting.path.erase(0, kPlacement.size());
    setting.of_placement = true;
  }
  return setting;
}

/// The widest default mapping on at most one node's devices: how many nodes of a cluster is for the user to say.
Mapping widest_mapping(const Architecture& architecture, const Machine& machine) {
  for (int devices = machine.devices; devices > 1; --devices) {
    const Mapping mapping = default_mapping(architecture, devices);
    try {
      check_mapping(architecture, mapping, machine);
      return mapping;
    } catch (const UserError&) {
      continue;  // this many devices do not divide the network
    }
  }
  return {};
}

Mapping choose_mapping(const Scenario& scenario, const Architecture& architecture, const Machine& machine) {
  std::optional<int> devices;
  if (scenario.devices) {
    devices = static_cast<int>(*scenario.devices);
  }
  if (!scenario.map.empty()) {
    return parse_mapping_of(architecture, scenario.map, devices);
  }
  return devices ? default_mapping(architecture, *devices) : widest_mapping(architecture, machine);
}

double parse_factor(const std::string& option, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw UserError(option + ": '" + text + "' is not a number");
  }
  return value;
}

/// Whether only the layers take time.
bool parse_scope(const std::string& text) {
  if (text != "model" && text != "layers") {
    throw UserError("--scope: '" + printable(text) + "' is neither model nor layers" +
                    suggest(text, std::vector<std::string>{"model", "layers"}));
  }
  return text == "layers";
}

Config own_document(const Config& config) { return Config::parse(config.dump(), config.origin()); }

/// Figures that a file may leave out, and that may be set all the same: they become members without a value.
Config with_unmeasured(Config machine, const std::string& path) {
  if ((path == "host.attained" || path.starts_with("host.attained.")) && machine.has("host") &&
      !machine.at("host").has("attained")) {
    const Config none = Config::parse(R"({"compute": null, "memory": null})", machine.origin());
    return machine.with_member("host", own_document(machine.at("host")).with_member("attained", none));
  }
  for (const std::string_view key : {"attained", "pageable"}) {
    if (path == "device.host_link." + std::string(key) && machine.at("device").has("host_link") &&
        !machine.at("device").at("host_link").has(key)) {
      const Config device = own_document(machine.at("device"));
      const Config none = Config::parse(R"({"none": null})", machine.origin()).at("none");
      return machine.with_member(
          "device", device.with_member("host_link", own_document(device.at("host_link")).with_member(key, none)));
    }
  }
  return machine;
}

/// Devices that the scenario asks for, by --devices or by the product of --map.
std::optional<std::int64_t> wanted_devices(const Scenario& scenario) {
  if (scenario.devices) {
    return scenario.devices;
  }
  if (!scenario.map.empty()) {
    return parse_mapping(scenario.map, std::nullopt).devices();
  }
  return std::nullopt;
}

/// As many nodes as `devices` fill, of a node that says how it is joined to others.
Config with_nodes(const Config& machine, std::int64_t devices) {
  const std::int64_t per_node = machine.at("devices").integer();
  if (machine.has("nodes") || per_node <= 1 || devices <= per_node) {
    return machine;
  }
  const std::string name = machine.at("name").string();
  if (devices % per_node != 0) {
    throw UserError("--machine: " + std::to_string(devices) + " devices do not fill nodes of '" + printable(name) +
                    "', which have " + std::to_string(per_node));
  }
  if (!machine.has("network")) {
    throw UserError("--machine: " + std::to_string(devices) + " devices are several nodes, and '" + printable(name) +
                    "' does not say how it is joined to others (\"network\")");
  }
  const Config count = Config::parse("{\"nodes\": " + std::to_string(devices / per_node) + "}", machine.origin());
  return machine.with_member("nodes", count.at("nodes"));
}

/// A machine may be written NAME:DEVICES. Then the scenario's devices are that many, of as many nodes as it takes.
struct MachineChoice {
  Scenario scenario;  ///< with the name alone
  bool counted = false;
};
MachineChoice choose_machine(const Scenario& typed) {
  MachineChoice choice{typed, false};
  const auto colon = typed.machine.rfind(':');
  const std::string count = colon == std::string::npos ? "" : typed.machine.substr(colon + 1);
  if (count.empty() || count.find_first_not_of("0123456789") != std::string::npos) {
    return choice;
  }
  const std::int64_t devices = parse_count("--machine", count);
  if (devices < 1 || devices > kMostDevices) {
    throw UserError("--machine: '" + printable(typed.machine) + "' names " + count + " devices; allowed are 1 to " +
                    std::to_string(kMostDevices));
  }
  if (typed.devices && *typed.devices != devices) {
    throw UserError("--devices: " + std::to_string(*typed.devices) + " contradicts --machine " +
                    printable(typed.machine));
  }
  choice.scenario.machine.resize(colon);
  choice.scenario.devices = devices;
  choice.counted = true;
  return choice;
}

}  // namespace

void apply_setting(const std::string& text, Config& model, Config& machine) {
  const Setting setting = parse_setting(text);
  if (setting.of_placement) {
    return;
  }
  Config& target = setting.of_model ? model : machine;
  if (!setting.of_model) {
    target = with_unmeasured(target, setting.path);
  }
  target = target.set(setting.path, setting.value);
}

std::vector<std::string> placement_settings(const std::vector<std::string>& sets) {
  std::vector<std::string> result;
  for (const std::string& text : sets) {
    if (const Setting setting = parse_setting(text); setting.of_placement) {
      result.push_back(setting.path + '=' + setting.value);
    }
  }
  return result;
}

std::int64_t parse_count(const std::string& option, const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw UserError(option + ": '" + text + "' is not a whole number that fits");
  }
  return value;
}

std::int64_t parse_positive(const std::string& option, const std::string& text) {
  const std::int64_t value = parse_count(option, text);
  if (value < 1) {
    throw UserError(option + ": " + std::to_string(value) + " is not at least 1");
  }
  return value;
}

void read_count(const std::string& option, const std::string& text, std::int64_t& value) {
  if (!text.empty()) {
    value = parse_count(option, text);
  }
}

ScenarioParts read_scenario(const Scenario& typed) {
  const auto [scenario, counted] = choose_machine(typed);
  if (scenario.devices && (*scenario.devices < 1 || *scenario.devices > kMostDevices)) {
    throw UserError("--devices: " + std::to_string(*scenario.devices) + " is not a whole number from 1 to " +
                    std::to_string(kMostDevices));
  }
  Config model = load_model_config(scenario.model);
  Config machine = load_machine_config(scenario.machine);
  // Costs are those of the machine as its file says: a what-if must not borrow from another device all at once.
  const CostModelPointer cost = load_cost_model(scenario.profile, read_machine(machine));
  for (const std::string& text : scenario.sets) {
    apply_setting(text, model, machine);
  }
  // A single device's name stands for as many of them as its scale-up domain joins.
  const auto devices = wanted_devices(scenario);
  if (devices && *devices > 1 && machine.at("devices").integer() == 1 && !machine.has("nodes")) {
    machine = machine.set("devices", std::to_string(*devices));
  }
  if (counted) {
    machine = with_nodes(machine, *scenario.devices);
  }
  Architecture architecture = read_architecture(model);
  const Precision precision = parse_precision(scenario.dtype, architecture.precision);
  return {std::move(architecture), precision, read_machine(machine), cost};
}

PlacementPointer choose_placement(const Scenario& scenario, const Machine& machine, const Architecture& architecture) {
  const std::string& wanted = scenario.placement.empty() ? machine.device.placement : scenario.placement;
  const std::string name = wanted.empty() ? "resident" : wanted;
  const std::vector<std::string> sets = placement_settings(scenario.sets);
  if (auto hybrid = find_hybrid(name, sets); hybrid && hybrid->cached) {
    hybrid->hits =
        simulated_hits(*hybrid, architecture, std::max<std::int64_t>(1, scenario.load.batch), scenario.routing);
    return hybrid_placement(*hybrid);
  }
  return make_placement(name, sets);
}

CostModelPointer with_engine(const CostModelPointer& base, const Scenario& scenario, const Placement& placement,
                             const std::string& device) {
  const std::string engine = !scenario.engine.empty() ? scenario.engine : std::string(placement.engine());
  const bool none = engine.empty() || engine == "none" || scenario.profile == "peak";
  if (none) {
    return base;
  }
  try {
    return engine_cost_model(base, engine, device);
  } catch (const UserError& error) {
    if (!scenario.engine.empty()) {
      throw;
    }
    throw UserError(fmt::format("--placement: '{}': engine: {}", placement.name(), error.what()));
  }
}

Deployment make_deployment(const Scenario& typed) {
  const Scenario scenario = choose_machine(typed).scenario;
  ScenarioParts parts = read_scenario(typed);
  const Mapping mapping = choose_mapping(scenario, parts.architecture, parts.machine);
  const PlacementPointer placement = choose_placement(scenario, parts.machine, parts.architecture);
  parts.cost = with_engine(parts.cost, scenario, *placement, parts.machine.device.name);
  StepPlan plan(std::move(parts.architecture), parts.precision, std::move(parts.machine), mapping, placement,
                scenario.routing, parse_exchange(scenario.exchange),
                {parse_overlap(scenario.overlap), parse_factor("--capacity-factor", scenario.capacity_factor),
                 parse_scope(scenario.scope)});
  plan.attain(parts.cost->attained(plan.view()));
  const RouteChoice routes{parse_route_policy(scenario.routes)};
  return {plan, contended_cost_model(parts.cost, plan, routes, parse_fabric_model(scenario.fabric))};
}

std::vector<NamedScenario> combine(const ScenarioList& list) {
  std::vector<NamedScenario> scenarios{{"", {}}};
  scenarios.front().scenario.sets = list.sets;
  if (!list.step_tokens.empty()) {
    scenarios.front().scenario.load.step_tokens = parse_count("--step-tokens", list.step_tokens);
  }
  const auto multiply = [&](const std::vector<std::string>& values, auto apply) {
    if (values.empty()) {
      return;
    }
    std::vector<NamedScenario> next;
    for (const NamedScenario& base : scenarios) {
      for (const std::string& value : values) {
        NamedScenario item = base;
        apply(item.scenario, value);
        if (values.size() > 1) {
          item.name += (item.name.empty() ? "" : " ") + value;
        }
        next.push_back(std::move(item));
      }
    }
    scenarios = std::move(next);
  };
  multiply(list.models, [](Scenario& s, const std::string& v) { s.model = v; });
  multiply(list.machines, [](Scenario& s, const std::string& v) { s.machine = v; });
  multiply(list.devices, [](Scenario& s, const std::string& v) { s.devices = parse_count("--devices", v); });
  multiply(list.maps, [](Scenario& s, const std::string& v) { s.map = v; });
  multiply(list.dtypes, [](Scenario& s, const std::string& v) { s.dtype = v; });
  multiply(list.placements, [](Scenario& s, const std::string& v) { s.placement = v; });
  multiply(list.routings, [](Scenario& s, const std::string& v) { s.routing = v; });
  multiply(list.profiles, [](Scenario& s, const std::string& v) { s.profile = v; });
  multiply(list.engines, [](Scenario& s, const std::string& v) { s.engine = v; });
  multiply(list.exchanges, [](Scenario& s, const std::string& v) { s.exchange = v; });
  multiply(list.fabrics, [](Scenario& s, const std::string& v) { s.fabric = v; });
  multiply(list.routes, [](Scenario& s, const std::string& v) { s.routes = v; });
  multiply(list.overlaps, [](Scenario& s, const std::string& v) { s.overlap = v; });
  multiply(list.scopes, [](Scenario& s, const std::string& v) { s.scope = v; });
  multiply(list.capacity_factors, [](Scenario& s, const std::string& v) { s.capacity_factor = v; });
  multiply(list.batches, [](Scenario& s, const std::string& v) { s.load.batch = parse_count("--batch", v); });
  multiply(list.inputs, [](Scenario& s, const std::string& v) { s.load.input = parse_count("--input", v); });
  multiply(list.outputs, [](Scenario& s, const std::string& v) { s.load.output = parse_count("--output", v); });
  if (scenarios.size() == 1) {
    scenarios.front().name = list.machines.empty() ? "" : list.machines.front();
  }
  return scenarios;
}

}  // namespace moesaic
