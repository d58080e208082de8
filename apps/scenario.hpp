// What a user typed, and the deployment it means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/predict.hpp"

namespace moesaic {

/// One question: a model on a machine under a load, in the words of the command line. Empty: the default.
struct Scenario {
  std::string model;
  std::string machine;  ///< NAME or NAME:DEVICES, which may be several nodes
  std::optional<std::int64_t> devices;
  std::string map;
  std::string dtype;
  std::string placement;  ///< empty: the one that the device is made for, else resident
  std::string routing = "uniform";
  std::string profile = "measured";
  std::string engine;  ///< else that of the placement; "none": what profiles say of stacks
  std::string exchange = "auto";
  std::string fabric = "flows";
  std::string routes = "spray";
  std::string overlap = "none";
  std::string capacity_factor = "0";
  std::string scope = "model";
  /// "PATH=VALUE": of the machine; of the model with "model.", of the placement with "placement." in front.
  std::vector<std::string> sets;
  Load load{.batch = 1, .input = 1024, .output = 256};
};

/// Applies "PATH=VALUE" to the machine, or to the model with "model." in front; not those of the placement. Throws
/// UserError.
void apply_setting(const std::string& text, Config& model, Config& machine);

/// Those of the placement, without "placement.".
std::vector<std::string> placement_settings(const std::vector<std::string>& sets);

/// What a scenario names, read; the machine has as many devices as asked for where its file is of a single one.
struct ScenarioParts {
  Architecture architecture;
  Precision precision;
  Machine machine;
  CostModelPointer cost;
};
/// Throws UserError.
ScenarioParts read_scenario(const Scenario& scenario);

/// The scenario's, or the one that its device is made for; hits of a cache of experts are simulated for steps of the
/// load's batch. Throws UserError.
PlacementPointer choose_placement(const Scenario& scenario, const Machine& machine, const Architecture& architecture);

/// `base` with the engine that the scenario names, else that of the placement. Throws UserError.
CostModelPointer with_engine(const CostModelPointer& base, const Scenario& scenario, const Placement& placement,
                             const std::string& device);

/// Reads model, machine and profile, and puts the one on the other. Throws UserError.
Deployment make_deployment(const Scenario& scenario);

/// Every combination of the values given for each option, in the order given; with the words that tell them apart.
struct ScenarioList {
  std::vector<std::string> models, machines, devices, maps, dtypes, placements, routings, profiles, engines, exchanges,
      fabrics, routes, overlaps, capacity_factors, scopes;
  std::vector<std::string> batches, inputs, outputs;
  std::vector<std::string> sets;  ///< apply to all
  std::string step_tokens;
};
struct NamedScenario {
  std::string name;
  Scenario scenario;
};
std::vector<NamedScenario> combine(const ScenarioList& list);

/// Reads a whole number; `option` names it in the message.
std::int64_t parse_count(const std::string& option, const std::string& text);
/// The same, at least 1.
std::int64_t parse_positive(const std::string& option, const std::string& text);
/// As parse_count(), where anything was typed.
void read_count(const std::string& option, const std::string& text, std::int64_t& value);

}  // namespace moesaic
