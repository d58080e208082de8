#include "calibrate/cost_model.hpp"

#include <algorithm>

#include "base/catalog.hpp"

namespace moesaic {

Seconds peak_seconds(const Task& task, const MachineView& view) {
  double longest = 0;
  for (const Demand& demand : task.demands) {
    longest = std::max(longest, demand.amount / view.resources[demand.resource].capacity);
  }
  return {longest};
}

CostModelPointer load_cost_model(const std::string& name_or_file) {
  if (name_or_file == "peak") {
    return roofline_cost_model();
  }
  return efficiency_cost_model(Config::load(find_in_catalog("profiles", "profile", name_or_file).file));
}

}  // namespace moesaic
