#include "calibrate/cost_model.hpp"

#include <algorithm>

#include "base/catalog.hpp"
#include "base/error.hpp"

namespace moesaic {
namespace {

CostModelPointer own_cost_model(Profile profile, const Machine& machine) {
  const std::string stack = profile.stack;
  std::vector<Profile> profiles;
  profiles.push_back(std::move(profile));
  return calibrated_cost_model(std::move(profiles), machine.device.name, stack);
}

}  // namespace

Seconds peak_seconds(const Task& task, const MachineView& view) {
  double longest = 0;
  for (const Demand& demand : task.demands) {
    longest = std::max(longest, demand.amount / view.resources[demand.resource].capacity);
  }
  return {longest};
}

Estimate no_faster_than_attained(Estimate estimate, const Task& task, const MachineView& view) {
  const AttainedShares& shares = view.device_attained;
  if (task.communication || view.units[task.unit].on_host || (!shares.compute && !shares.memory)) {
    return estimate;
  }
  for (const Demand& demand : task.demands) {
    const Resource& resource = view.resources[demand.resource];
    const auto& share = resource.kind == ResourceKind::arithmetic ? shares.compute : shares.memory;
    estimate.busy = std::max(estimate.busy, Seconds{demand.amount / resource.capacity / share.value_or(1)});
  }
  return estimate;
}

CostModelPointer default_cost_model() {
  return efficiency_cost_model(Config::load(find_in_catalog("profiles", "profile", "default").file));
}

CostModelPointer load_cost_model(const std::string& name_or_file, const Machine& machine) {
  if (name_or_file == "peak") {
    return roofline_cost_model();
  }
  if (name_or_file == "measured" && machine.device.profile) {
    return own_cost_model(read_profile(*machine.device.profile), machine);
  }
  if (name_or_file == "measured") {
    CostModelPointer measured = measured_cost_model(machine, "");
    return measured ? measured : default_cost_model();
  }
  if (name_or_file.empty()) {
    throw UserError("--profile: the name is empty");
  }
  if (CostModelPointer measured = measured_cost_model(machine, name_or_file)) {
    return measured;
  }
  const Config config = Config::load(find_in_catalog("profiles", "profile", name_or_file).file);
  if (config.is_object() && config.string_or("kind", "") == "kernel profile") {
    return own_cost_model(read_profile(config), machine);
  }
  return efficiency_cost_model(config);
}

}  // namespace moesaic
