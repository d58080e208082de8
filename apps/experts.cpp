#include "apps/experts.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "apps/options.hpp"
#include "apps/scenario.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "reports/experts.hpp"

namespace moesaic {
namespace {

/// A kind of layer with routed experts, and how many layers have some.
struct ExpertLayers {
  MoeFeedForward moe;
  std::int64_t count = 0;
};

ExpertLayers expert_layers(const Architecture& architecture) {
  ExpertLayers result;
  for (std::int64_t layer = 0; layer < architecture.layer_count(); ++layer) {
    const auto* moe = std::get_if<MoeFeedForward>(&architecture.layer(static_cast<std::size_t>(layer)).feed_forward);
    if (moe != nullptr) {
      result.moe = result.count++ == 0 ? *moe : result.moe;
    }
  }
  if (result.count == 0) {
    throw UserError(fmt::format("--model: {} has no routed experts", printable(architecture.name)));
  }
  return result;
}

template <class Rule>
Rule parse_rule(const char* option, const std::string& text, std::initializer_list<Rule> rules) {
  std::vector<std::string> names;
  for (const Rule rule : rules) {
    names.push_back(name(rule));
    if (names.back() == text) {
      return rule;
    }
  }
  throw UserError(fmt::format("{}: unknown rule '{}'{}", option, printable(text), suggest(text, names)));
}

GroupLimit group_limit(const ExpertsOptions& options, const MoeFeedForward& moe) {
  GroupLimit limit{moe.groups, moe.node_limit};
  if (!options.groups.empty()) {
    limit.groups = parse_positive("--groups", options.groups);
  }
  if (!options.top_groups.empty()) {
    limit.most = parse_count("--top-groups", options.top_groups);
    if (limit.most > 0 && limit.groups == 0) {
      throw UserError("--top-groups: the model has no expert groups; say how many with --groups");
    }
  }
  check_group_limit(limit, moe.experts, moe.experts_per_token);
  return limit;
}

bool is_file(const std::string& routing) {
  return std::filesystem::path(routing).extension() == ".json" || routing.find('/') != std::string::npos;
}

double exponent_of(const std::string& routing) {
  if (routing == "uniform") {
    return 0;
  }
  constexpr std::string_view kZipf = "zipf:";
  if (is_file(routing) || !routing.starts_with(kZipf)) {
    throw UserError(fmt::format("--affinity: makes a synthetic trace of uniform or zipf:EXPONENT routing, not of '{}'",
                                printable(routing)));
  }
  return std::stod(routing.substr(kZipf.size()));  // as Routing::parse has read it before
}

/// Fills routing or trace. Returns how the report calls it.
std::string choose_routing(const ExpertsOptions& options, const ExpertLayers& layers, PlacementQuestion& question) {
  const std::int64_t experts = layers.moe.experts, top_k = layers.moe.experts_per_token;
  if (is_file(options.routing) && is_routing_trace(options.routing)) {
    question.trace = read_routing_trace(options.routing, experts, top_k);
    if (!options.affinity) {
      return fmt::format("as recorded in {}, {} layers", options.routing, question.trace->layers.size());
    }
  } else {
    question.routing = Routing::parse(options.routing, experts, top_k);
    if (!is_file(options.routing)) {
      question.routing = shuffled(question.routing, question.hits.seed);  // an order that favours no placement
    }
  }
  if (!options.affinity) {
    if (!options.layers.empty()) {
      throw UserError("--layers: is for a synthetic trace; give it an --affinity too");
    }
    return options.routing;
  }
  constexpr std::int64_t kTokens = 4096, kTokensPerRank = 64;
  question.trace =
      synthetic_trace({.experts = experts,
                       .top_k = top_k,
                       .layers = options.layers.empty() ? layers.count : parse_positive("--layers", options.layers),
                       .tokens = std::max(kTokens, kTokensPerRank * question.grid.ranks),
                       .exponent = exponent_of(options.routing),
                       .affinity = *options.affinity,
                       .seed = question.hits.seed});
  return fmt::format("of a synthetic trace ({}, affinity {}, seed {})", options.routing, *options.affinity,
                     question.hits.seed);
}

LinkRates link_rates(const Machine& machine) {
  if (!machine.device.scale_up || !machine.network) {
    throw UserError(fmt::format("--machine: {} has no {}; name a machine that has", printable(machine.name),
                                machine.device.scale_up ? "network" : "scale-up link"));
  }
  return {machine.device.scale_up->bandwidth, machine.network->bandwidth};
}

}  // namespace

CLI::App* add_experts_command(CLI::App& app, ExpertsOptions& options) {
  CLI::App* command = app.add_subcommand("experts", "Placements of experts on ranks: balance and traffic side by side");
  const auto add = [command](const char* name, std::string& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add("--model", options.model, "Model: a preset's name or part of it, or a Hugging Face config.json", "NAME|FILE")
      ->required();
  add("--ranks", options.ranks, "Ranks that the experts of a layer are spread over", "N")->required();
  add("--ranks-per-node", options.ranks_per_node, "Ranks of one node (default: the machine's devices)", "N");
  add("--machine", options.machine, "Machine whose links tokens move over between layers (default dgx-h100)",
      "NAME|FILE");
  add("--tokens", options.tokens, "Tokens of every rank in one step (default 128)", "N");
  add("--routing", options.routing,
      "Expert routing: uniform, zipf:EXPONENT, or a JSON file with a histogram, or with a trace of one or several "
      "layers (default uniform); zipf's popular experts are anywhere, by the seed",
      "ROUTING");
  command
      ->add_option("--affinity", options.affinity,
                   "Make a synthetic trace of all layers: chance that a token goes on from an expert to that one's "
                   "partner in the next layer")
      ->type_name("0..1");
  add("--layers", options.layers, "Layers of the synthetic trace (default: the model's layers with experts)", "N");
  add("--seed", options.seed, "Seed of what is drawn (default 1)", "N");
  add("--redundant", options.redundant, "Redundant experts, all ranks together (default 0)", "N");
  add("--groups", options.groups, "Groups of experts (default: the model's)", "N");
  add("--top-groups", options.top_groups, "Most groups that a token uses, 0: all (default: the model's)", "N");
  add("--copies", options.copies, "Copies of a token: per-expert, per-rank or per-node (default per-rank)", "RULE");
  add("--replicas", options.replicas, "Which copy of an expert: even, or own-node first (default even)", "RULE");
  add("--dispatch", options.dispatch, "Format of dispatched tokens (default: what the experts compute in)", "TYPE");
  command->add_option("--seconds", options.seconds, "Most time for each integer program (default 20)")->type_name("S");
  command->add_option("--gap", options.gap, "Share by which the optimum may miss its bound (default 0.001)")
      ->type_name("X");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer(
      "Example:\n  moesaic experts --model DeepSeek-V3 --ranks 32 --redundant 32 --routing zipf:0.8 --copies per-node\n"
      "  moesaic experts --model Mixtral-8x7B --ranks 8 --ranks-per-node 4 --affinity 0.6");
  return command;
}

std::string experts(const ExpertsOptions& options, bool rich) {
  const Architecture architecture = read_architecture(load_model_config(options.model));
  const Machine machine = read_machine(load_machine_config(options.machine));
  const ExpertLayers layers = expert_layers(architecture);
  PlacementQuestion question;
  question.hidden = architecture.hidden;
  question.grid.ranks = parse_positive("--ranks", options.ranks);
  question.grid.per_node = options.ranks_per_node.empty() ? std::min<std::int64_t>(machine.devices, question.grid.ranks)
                                                          : parse_positive("--ranks-per-node", options.ranks_per_node);
  question.redundant = parse_count("--redundant", options.redundant);
  question.tokens = static_cast<double>(parse_positive("--tokens", options.tokens));
  question.copies =
      parse_rule("--copies", options.copies, {CopyRule::per_expert, CopyRule::per_rank, CopyRule::per_node});
  question.hits.replicas = parse_rule("--replicas", options.replicas, {ReplicaRule::even, ReplicaRule::own_node});
  question.hits.limit = group_limit(options, layers.moe);
  const std::int64_t seed = parse_count("--seed", options.seed);
  if (seed < 0) {
    throw UserError(fmt::format("--seed: {} is negative", seed));
  }
  question.hits.seed = static_cast<std::uint64_t>(seed);
  const Precision& precision = architecture.precision;
  question.dispatch = !options.dispatch.empty()                   ? parse_storage_type(options.dispatch)
                      : precision.expert_arithmetic == DType::fp8 ? StorageType{DType::fp8, 8}
                                                                  : precision.activations;
  if (!(options.seconds > 0) || !(options.gap >= 0 && options.gap <= 1)) {
    throw UserError(fmt::format("--seconds {} and --gap {}: seconds must be above 0, and the gap 0 to 1",
                                options.seconds, options.gap));
  }
  slots_of_rank(layers.moe.experts, question.redundant, question.grid);
  const std::string routing = choose_routing(options, layers, question);
  question.optimal = {.rates = link_rates(machine), .seconds = options.seconds, .gap = options.gap};
  const PlacementComparison comparison = compare_placements(question);
  const PlacementReport report{architecture.name, machine.name, routing, question, comparison};
  return options.format == "json" ? experts_json(report) : experts_text(report, {.rich = rich});
}

}  // namespace moesaic
