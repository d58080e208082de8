#include "apps/options.hpp"

#include <CLI/CLI.hpp>

#include "model/placement.hpp"

namespace moesaic {
namespace {

std::string placement_help() {
  std::string names;
  for (const PlacementSummary& placement : list_placements()) {
    names += (names.empty() ? "" : ", ") + placement.name;
  }
  return "Placement: " + names + ", or a JSON file (default resident; docs/offload.md)";
}

}  // namespace

void add_common_options(CLI::App& command, CommonOptions& options) {
  ScenarioList& list = options.list;
  command.add_option("--model", list.models, "Model: a preset's name or part of it, or a Hugging Face config.json")
      ->required()
      ->delimiter(',')
      ->type_name("NAME|FILE");
  command
      .add_option(
          "--machine", list.machines,
          "Machine: a node's or device's name or part of it, or a JSON file; NAME:N for N devices, of several nodes "
          "where it takes them")
      ->required()
      ->delimiter(',')
      ->type_name("NAME[:N]|FILE");
  command
      .add_option("--devices", list.devices,
                  "Devices of the replica (default: as many as one node has and the model divides)")
      ->delimiter(',')
      ->type_name("N");
  command
      .add_option(
          "--map", list.maps,
          "Mapping: tp (tensor), cp (context), pp (pipeline), dp (attention data) degrees, whose product is the "
          "devices; of experts ep (whole ones), etp (slices) and red (redundant copies); sp=1 for sequence "
          "parallelism; ring=0 to gather keys and values of cp (docs/mapping.md)")
      ->type_name("tp=8,ep=8,dp=1");
  command
      .add_option("--overlap", list.overlaps,
                  "What runs beside communication: none (default), shared (experts), two-batch, chunks=R")
      ->delimiter(',')
      ->type_name("WHAT");
  command
      .add_option("--capacity-factor", list.capacity_factors,
                  "Rows that an expert takes, as a multiple of the even share: more are dropped, fewer padded (default "
                  "0: all, none)")
      ->delimiter(',')
      ->type_name("F");
  command
      .add_option("--scope", list.scopes,
                  "What takes time: model (default), or layers: no embedding, head and sampling, as in simulators of "
                  "layers")
      ->delimiter(',')
      ->type_name("WHAT");
  command
      .add_option(
          "--dtype", list.dtypes,
          "Storage types by class: weights, attention, dense, experts, embedding, activations, kv, state; scores: "
          "the arithmetic of attention's (default: the checkpoint's)")
      ->type_name("weights=fp8,kv=bf16");
  command.add_option("--batch", list.batches, "Requests that arrive together (default 1)")
      ->delimiter(',')
      ->type_name("B");
  command.add_option("--input", list.inputs, "Prompt tokens of each request (default 1024)")
      ->delimiter(',')
      ->type_name("I");
  command.add_option("--output", list.outputs, "Generated tokens of each request (default 256)")
      ->delimiter(',')
      ->type_name("O");
  command
      .add_option("--step-tokens", list.step_tokens, "Most prefill tokens of one step (chunked prefill; default 8192)")
      ->type_name("N");
  command.add_option("--placement", list.placements, placement_help())->delimiter(',')->type_name("NAME|FILE");
  command
      .add_option("--routing", list.routings,
                  "Expert routing: uniform (drawn), even (dealt), zipf:EXPONENT, or a JSON file with a histogram or "
                  "trace (default uniform)")
      ->type_name("ROUTING");
  command
      .add_option("--exchange", list.exchanges,
                  "How tokens reach experts on other devices: auto (default), normal, low-latency (DeepEP's kernels), "
                  "all-to-all")
      ->delimiter(',')
      ->type_name("WAY");
  command
      .add_option("--fabric", list.fabrics,
                  "How collectives share the links of a cluster: flows (default), closed-form (not at all), simgrid")
      ->delimiter(',')
      ->type_name("MODEL");
  command
      .add_option("--routes", list.routes,
                  "Routing of a cluster's network: spray (default), ecmp, split, adaptive, shortest")
      ->delimiter(',')
      ->type_name("POLICY");
  command
      .add_option(
          "--profile", list.profiles,
          "Cost of kernels: 'measured' (default), a measured stack such as 'vllm' or 'trtllm', 'default' efficiencies, "
          "'peak' rates, or a profile's file")
      ->type_name("NAME|FILE");
  command
      .add_option("--engine", list.engines,
                  "Engine whose launches, handovers and kernels of the host count: ktransformers, transformers, "
                  "llama.cpp, ... or a JSON file (docs/engines.md)")
      ->delimiter(',')
      ->type_name("NAME|FILE");
  command
      .add_option("--set", list.sets,
                  "What-if: any figure of the machine, e.g. device.memory.bandwidth=8TB/s; of the model with 'model.', "
                  "of the placement with 'placement.' in front. May be repeated")
      ->type_name("PATH=VALUE");
  add_output_options(command, options.format, options.output_file, {"text", "json", "html"});
}

void add_deployment_options(CLI::App& command, Scenario& scenario, std::string& devices) {
  command.add_option("--model", scenario.model, "Model: a preset's name or part of it, or a Hugging Face config.json")
      ->required()
      ->type_name("NAME|FILE");
  command.add_option("--machine", scenario.machine, "Machine: a node's or device's name or part of it, or a JSON file")
      ->required()
      ->type_name("NAME|FILE");
  command.add_option("--devices", devices, "Devices of the replica, as of predict")->type_name("N");
  command.add_option("--map", scenario.map, "Mapping, as of predict")->type_name("tp=8,ep=8,dp=1");
}

void add_running_options(CLI::App& command, Scenario& scenario) {
  const auto add = [&command](const char* name, std::string& value, const char* what, const char* type) {
    command.add_option(name, value, what)->type_name(type);
  };
  add("--dtype", scenario.dtype, "Storage types by class, as of predict (default: the checkpoint's)",
      "weights=fp8,kv=bf16");
  add("--placement", scenario.placement,
      "Placement, as of predict (default: what the device is made for, else resident)", "NAME|FILE");
  add("--engine", scenario.engine, "Engine, as of predict (default: that of the placement)", "NAME|FILE");
  add("--routing", scenario.routing, "Expert routing: uniform (default), even, zipf:EXPONENT, or a JSON file",
      "ROUTING");
  add("--exchange", scenario.exchange, "How tokens reach experts on other devices, as of predict (default auto)",
      "WAY");
  add("--overlap", scenario.overlap, "What runs beside communication, as of predict (default none)", "WHAT");
  add("--capacity-factor", scenario.capacity_factor, "Rows that an expert takes, as of predict (default 0: all)", "F");
  add("--scope", scenario.scope, "What takes time, as of predict (default model)", "WHAT");
  add("--fabric", scenario.fabric, "How collectives share the links of a cluster, as of predict (default flows)",
      "MODEL");
  add("--routes", scenario.routes, "Routing of a cluster's network, as of predict (default spray)", "POLICY");
  add("--profile", scenario.profile, "Cost of kernels, as of predict (default measured)", "NAME|FILE");
  command.add_option("--set", scenario.sets, "What-if, as of predict. May be repeated")->type_name("PATH=VALUE");
}

void add_output_options(CLI::App& command, std::string& format, std::string& file,
                        std::initializer_list<const char*> formats) {
  std::string words;
  std::vector<std::string> names;
  for (const char* name : formats) {
    const bool last = names.size() + 1 == formats.size();
    words += names.empty() ? "" : last ? " or " : ", ";
    words += name;
    names.emplace_back(name);
  }
  command.add_option("--format", format, "Output: " + words)->check(CLI::IsMember(names))->type_name("FORMAT");
  command.add_option("-o,--output-file", file, "Write to this file instead of standard output")->type_name("FILE");
}

}  // namespace moesaic
