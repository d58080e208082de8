#include "apps/flows.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "apps/options.hpp"
#include "apps/output.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "hw/machine_topology.hpp"
#include "reports/flows.hpp"
#include "sim/fabric.hpp"
#include "sim/simgrid_flows.hpp"

namespace moesaic {
namespace {

struct UserFlows {
  std::vector<Demanded> flows;
  std::vector<double> start;
};

std::uint32_t read_device(const Config& flow, std::string_view key, std::uint32_t devices) {
  const Config config = flow.at(key);
  const std::int64_t device = config.integer();
  if (device < 0 || device >= devices) {
    config.fail(fmt::format("there are devices 0 to {}, found {}", devices - 1, device));
  }
  return static_cast<std::uint32_t>(device);
}

UserFlows read_flows(const std::string& file, std::uint32_t devices) {
  const Config config = Config::load(file);
  UserFlows result;
  for (const Config& flow : config.at("flows").elements()) {
    result.flows.push_back({read_device(flow, "source", devices), read_device(flow, "destination", devices),
                            flow.at("bytes").quantity<Bytes>().value});
    const auto start = flow.find("start");
    result.start.push_back(start ? start->quantity<Seconds>().value : 0);
  }
  if (result.flows.empty()) {
    config.at("flows").fail("has no flows");
  }
  config.reject_unknown();
  return result;
}

Topology topology_of(const FlowsOptions& options) {
  if (options.machine.empty() == options.topology.empty()) {
    throw UserError("--machine, --topology: give one of them");
  }
  if (!options.topology.empty()) {
    return build_topology(load_topology(options.topology));
  }
  const Machine machine = read_machine(load_machine_config(options.machine));
  if (machine.nodes > 1 && !machine.topology) {
    throw UserError(fmt::format("--machine: {} does not say how its nodes are joined", machine.name));
  }
  return build_topology(describe_topology(machine));
}

}  // namespace

CLI::App* add_flows_command(CLI::App& app, FlowsOptions& options) {
  CLI::App* command = app.add_subcommand("flows", "Transfers of your own, from their own starts, that share links");
  command
      ->add_option(
          "file,--file", options.file,
          "JSON: {\"flows\": [{\"source\": 0, \"destination\": 9, \"bytes\": \"64 MB\", \"start\": \"1 ms\"}]}")
      ->required()
      ->type_name("FILE");
  command->add_option("--machine", options.machine, "Machine on whose links they run")->type_name("NAME|FILE");
  command->add_option("--topology", options.topology, "Or a topology")->type_name("NAME|FILE");
  command->add_option("--fabric", options.fabric, "flows (default: our max-min fair solver) or simgrid")
      ->type_name("MODEL");
  command->add_option("--routes", options.routes, "shortest, ecmp, spray (default), split, adaptive")
      ->type_name("POLICY");
  command->add_option("--seed", options.seed, "Of the hash of ecmp (default 1)")->type_name("N");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer("Example:\n  moesaic flows transfers.json --machine h800-cluster --fabric simgrid");
  return command;
}

void run_flows_command(const FlowsOptions& options, const Console& console) {
  check_output("-o", options.output_file);
  const FabricModel model = parse_fabric_model(options.fabric);
  if (model == FabricModel::closed_form) {
    throw UserError("--fabric: flows have no closed form; use flows or simgrid");
  }
  const RouteChoice routes{parse_route_policy(options.routes), static_cast<std::uint64_t>(options.seed)};
  const Topology topology = topology_of(options);
  const UserFlows user = read_flows(options.file, topology.devices);
  FlowProblem problem = flow_problem(topology, route_flows(topology, routes, user.flows), user.flows);
  problem.start = user.start;
  FlowsReport report{.where = topology.name,
                     .model = options.fabric,
                     .flows = user.flows,
                     .start = user.start,
                     .latency = problem.latency,
                     .times = model == FabricModel::simgrid ? run_flows_in_simgrid(problem) : run_flows(problem),
                     .bound = busiest_channel(problem)};
  report.latency.resize(report.flows.size(), 0.0);
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json" ? flows_json(report) : flows_text(report, {.rich = rich}), options.output_file,
               console.out);
}

}  // namespace moesaic
