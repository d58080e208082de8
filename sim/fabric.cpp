#include "sim/fabric.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "sim/collective_flows.hpp"
#include "sim/simgrid_flows.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kModels[] = {"closed-form", "flows", "simgrid"};

}  // namespace

std::string_view to_text(FabricModel model) { return kModels[static_cast<std::size_t>(model)]; }

FabricModel parse_fabric_model(std::string_view text) {
  const auto* found = std::find(std::begin(kModels), std::end(kModels), text);
  if (found == std::end(kModels)) {
    throw UserError("--fabric: unknown model '" + printable(text) + "'" +
                    suggest(text, std::vector<std::string>(std::begin(kModels), std::end(kModels))));
  }
  return static_cast<FabricModel>(found - std::begin(kModels));
}

FabricTime phases_time(const std::vector<std::vector<Demanded>>& phases, const Fabric& fabric) {
  MOESAIC_ASSERT(fabric.topology != nullptr);
  FabricTime time;
  for (const std::vector<Demanded>& phase : phases) {
    const FlowProblem problem =
        flow_problem(*fabric.topology, route_flows(*fabric.topology, fabric.routes, phase), phase);
    FlowProblem fluid = problem;
    fluid.latency.clear();  // counted by the algorithm's messages
    const FlowTimes times = fabric.model == FabricModel::simgrid ? run_flows_in_simgrid(fluid) : run_flows(fluid);
    time.busy += times.total;
    time.bound += busiest_channel(fluid);
    time.flows += fluid.flows();
    time.events += times.events;
  }
  return time;
}

FabricTime collective_time(const Collective& collective, const CollectiveAlgorithm& algorithm,
                           const CollectiveLinks& links, int groups, const Fabric& fabric) {
  FabricTime time;
  if (fabric.model == FabricModel::closed_form) {
    time.busy = algorithm.busy_on(links);
  } else {
    const std::vector<FlowPhase> phases = collective_flows(collective, algorithm, links, groups);
    time = phases_time(phases, fabric);
    time.busy += links.network_gap * std::max(0.0, links.nodes > 1 ? algorithm.messages - 1 : 0.0);
  }
  time.algorithm = algorithm.name;
  time.latency = algorithm.latency_on(links);
  time.scale_up = algorithm.wire;
  time.network = algorithm.network;
  return time;
}

}  // namespace moesaic
