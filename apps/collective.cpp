#include "apps/collective.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "apps/options.hpp"
#include "apps/output.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "base/quantity_text.hpp"
#include "hw/machine_topology.hpp"
#include "model/routing.hpp"
#include "reports/collective.hpp"
#include "sim/collective_flows.hpp"

namespace moesaic {
namespace {

const std::vector<std::string> kKinds = {"all-reduce", "all-gather",   "reduce-scatter", "all-to-all",
                                         "broadcast",  "send-receive", "dispatch",       "combine"};

std::size_t parse_kind(const std::string& text) {
  const auto found = std::find(kKinds.begin(), kKinds.end(), text);
  if (found == kKinds.end()) {
    throw UserError(fmt::format("unknown collective '{}'{}", printable(text), suggest(text, kKinds)));
  }
  return static_cast<std::size_t>(found - kKinds.begin());
}

template <class Q>
Q parse_option(const char* option, const std::string& text) {
  try {
    return parse_quantity<Q>(text);
  } catch (const UserError& error) {
    throw UserError(fmt::format("{}: {}", option, error.what()));
  }
}

Bytes parse_bytes(const std::string& text) {
  if (text.empty()) {
    throw UserError("--bytes: needed, for example --bytes '64 MiB'");
  }
  return parse_option<Bytes>("--bytes", text);
}

/// Everything that both kinds of question need.
struct CollectiveSetting {
  Machine machine;
  CollectiveLinks links;
  int ranks = 1;
  int groups = 1;
  std::optional<Topology> topology;
  Fabric fabric;
};

CollectiveSetting make_setting(const CollectiveOptions& options) {
  CollectiveSetting setting;
  setting.machine = read_machine(load_machine_config(options.machine));
  const std::int64_t devices = setting.machine.total_devices();
  const std::int64_t ranks = options.ranks > 0 ? options.ranks : devices;
  const auto fail = [&](const std::string& message) { throw UserError(message); };
  if (options.ranks < 0 || options.groups < 1 || ranks * options.groups > devices) {
    fail(fmt::format("--ranks: {} groups of {} ranks are not from 1 to the {} devices of {}", options.groups, ranks,
                     devices, setting.machine.name));
  }
  for (const double fraction : {options.link_fraction, options.network_fraction}) {
    if (!(fraction > 0 && fraction <= 1)) {
      fail(fmt::format("--link-fraction, --network-fraction: must be above 0 and at most 1, found {}", fraction));
    }
  }
  setting.ranks = static_cast<int>(ranks);
  setting.groups = static_cast<int>(options.groups);
  const int per_node = setting.machine.devices;
  if (ranks > per_node && ranks % per_node != 0) {
    fail(fmt::format("--ranks: {} ranks do not fill nodes of {}; the nearest that do are {} and {}", ranks, per_node,
                     ranks / per_node * per_node, (ranks / per_node + 1) * per_node));
  }
  const MachineView view = view_machine(setting.machine, setting.ranks * setting.groups);
  if (ranks > 1 && !view.scale_up && per_node > 1) {
    fail(fmt::format("--machine: the devices of {} have no links to each other", setting.machine.name));
  }
  setting.links = collective_links(view, setting.ranks);
  setting.links.bandwidth.value *= options.link_fraction;
  setting.links.network_bandwidth.value *= options.network_fraction;
  setting.fabric.model = parse_fabric_model(options.fabric);
  setting.fabric.routes = {parse_route_policy(options.routes), static_cast<std::uint64_t>(options.seed),
                           !options.no_forwarding};
  if (setting.fabric.model != FabricModel::closed_form) {
    if (setting.machine.nodes > 1 && !setting.machine.topology) {
      fail(fmt::format("--fabric: {} does not say how its nodes are joined; use closed-form", setting.machine.name));
    }
    setting.topology = build_topology(describe_topology(setting.machine));
    const bool switched = setting.machine.device.scale_up.has_value();
    for (TopologyLink& link : setting.topology->links) {
      const bool inside =
          link.role == LinkRole::scale_up || (!switched && link.role != LinkRole::endpoint &&
                                              link.role != LinkRole::local && link.role != LinkRole::global);
      link.bandwidth.value *= inside ? options.link_fraction : options.network_fraction;
    }
  }
  return setting;
}

double bus_factor(CollectiveKind kind, double ranks) {
  const double others = (ranks - 1) / ranks;
  switch (kind) {
    case CollectiveKind::all_reduce:
      return 2 * others;
    case CollectiveKind::broadcast:
    case CollectiveKind::send_receive:
      return 1;
    default:
      return others;
  }
}

CollectiveAlgorithm choose(const CollectiveOptions& options, const Collective& collective,
                           const CollectiveLinks& links) {
  if (options.algorithm.empty()) {
    return fastest_algorithm(collective, links);
  }
  std::vector<std::string> names;
  for (const CollectiveAlgorithm& algorithm : collective_algorithms(collective, links)) {
    if (options.algorithm == algorithm.name) {
      return algorithm;
    }
    names.emplace_back(algorithm.name);
  }
  throw UserError(fmt::format("--algorithm: '{}' is none of this collective on these links{}; there are {}",
                              printable(options.algorithm), suggest(options.algorithm, names), fmt::join(names, ", ")));
}

CollectiveReport report_of(const CollectiveSetting& setting, const CollectiveOptions& options) {
  return {.machine = setting.machine.name,
          .what = "",
          .ranks = setting.ranks,
          .nodes = setting.links.nodes,
          .groups = setting.groups,
          .model = options.fabric == "closed-form" ? "closed form" : options.fabric,
          .time = {},
          .message = {},
          .bus_factor = 1,
          .others = {}};
}

int shift_of(const CollectiveOptions& options, int ranks) {
  if (options.shift < 1 || (ranks > 1 && options.shift >= ranks)) {
    throw UserError(fmt::format("--shift: must be from 1 to {}, found {}", std::max(1, ranks - 1), options.shift));
  }
  return static_cast<int>(options.shift);
}

CollectiveReport collective_report(const CollectiveOptions& options, CollectiveKind kind) {
  CollectiveSetting setting = make_setting(options);
  setting.fabric.topology = setting.topology ? &*setting.topology : nullptr;
  const Collective collective{kind, parse_bytes(options.bytes), setting.ranks, shift_of(options, setting.ranks)};
  const CollectiveAlgorithm algorithm = choose(options, collective, setting.links);
  CollectiveReport report = report_of(setting, options);
  report.what = fmt::format("{} of {}", kKinds[static_cast<std::size_t>(kind)], to_text(collective.bytes));
  report.time = collective_time(collective, algorithm, setting.links, setting.groups, setting.fabric);
  report.message = collective.bytes;
  report.bus_factor = bus_factor(kind, setting.ranks);
  for (const CollectiveAlgorithm& other : collective_algorithms(collective, setting.links)) {
    report.others.push_back(collective_time(collective, other, setting.links, 1, {.model = FabricModel::closed_form}));
  }
  return report;
}

void check_exchange(const CollectiveOptions& options, int ranks) {
  const auto positive = [](const char* option, std::int64_t value) {
    if (value < 1) {
      throw UserError(fmt::format("{}: needed for dispatch and combine, a whole number of at least 1", option));
    }
  };
  positive("--tokens", options.tokens);
  positive("--hidden", options.hidden);
  positive("--top-k", options.top_k);
  positive("--experts", options.experts);
  if (options.row_bytes < 0) {
    throw UserError(fmt::format("--row-bytes: must not be negative, found {}", options.row_bytes));
  }
  if (options.top_k > options.experts) {
    throw UserError(fmt::format("--top-k: {} of {} experts", options.top_k, options.experts));
  }
  if (options.slices < 1 || ranks % options.slices != 0 || options.experts % (ranks / options.slices) != 0) {
    throw UserError(fmt::format("--experts: {} experts do not divide over {} ranks", options.experts,
                                options.slices > 0 ? ranks / options.slices : ranks));
  }
}

/// What every rank sends in an exchange, all of them alike: to all ranks of other nodes or to those of its own place.
std::vector<Demanded> exchange_demands(const ExchangeRows& rows, ExchangeKind kind, int nodes, int node_ranks,
                                       double token_bytes) {
  std::vector<Demanded> flows;
  const int ranks = nodes * node_ranks;
  const bool forwarded = kind == ExchangeKind::normal && nodes > 1;
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      const bool inside = from / node_ranks == to / node_ranks;
      if (from == to || (!inside && forwarded && from % node_ranks != to % node_ranks)) {
        continue;
      }
      const double share =
          inside ? rows.scale_up / (node_ranks - 1) : rows.network / (forwarded ? nodes - 1 : ranks - node_ranks);
      flows.push_back({static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), share * token_bytes});
    }
  }
  return flows;
}

CollectiveReport exchange_report(const CollectiveOptions& options, bool combine) {
  CollectiveSetting setting = make_setting(options);
  setting.fabric.topology = setting.topology ? &*setting.topology : nullptr;
  check_exchange(options, setting.ranks);
  ExchangeKind kind = parse_exchange(options.exchange);
  kind = kind == ExchangeKind::automatic ? ExchangeKind::normal : kind;
  MoeFeedForward moe;
  moe.experts = options.experts;
  moe.experts_per_token = options.top_k;
  moe.groups = options.expert_groups;
  moe.node_limit = options.node_limit;
  const int slices = static_cast<int>(options.slices);
  const ExchangeRanks layout{setting.ranks / slices, slices, setting.ranks / setting.links.nodes};
  const Routing routing = Routing::parse(options.routing, moe.experts, moe.experts_per_token);
  const ExchangeRows rows = load_of(exchange_loads(moe, routing, layout), kind).busiest;
  const int nodes = setting.links.nodes, node_ranks = layout.node_ranks;
  // Dispatch sends fp8 with a scale for each 128 elements, combine bf16 (DeepEP, README.md).
  const auto hidden = static_cast<double>(options.hidden);
  const double row_bytes = options.row_bytes > 0 ? options.row_bytes : combine ? 2 * hidden : hidden + hidden / 128 * 4;
  const double token_bytes = static_cast<double>(options.tokens) * row_bytes;
  CollectiveReport report = report_of(setting, options);
  report.what = fmt::format("{} of {} tokens, {}", combine ? "combine" : "dispatch", options.tokens, name(kind));
  FabricTime& time = report.time;
  if (setting.fabric.model == FabricModel::closed_form) {
    const double inside = rows.scale_up * token_bytes / setting.links.bandwidth.value;
    const double between = nodes > 1 ? rows.network * token_bytes / setting.links.network_bandwidth.value : 0;
    time.busy = Seconds{std::max(inside, between)};
  } else {
    time = phases_time({exchange_demands(rows, kind, nodes, node_ranks, token_bytes)}, setting.fabric);
  }
  time.algorithm = name(kind);
  time.latency = options.latency.empty() ? Seconds{} : parse_option<Seconds>("--latency", options.latency);
  time.scale_up = Bytes{rows.scale_up * token_bytes};
  time.network = Bytes{rows.network * token_bytes};
  report.message = Bytes{token_bytes * static_cast<double>(options.top_k)};
  return report;
}

}  // namespace

CLI::App* add_collective_command(CLI::App& app, CollectiveOptions& options) {
  CLI::App* command =
      app.add_subcommand("collective", "One collective, or exchange of experts, on the links of a machine");
  command
      ->add_option("kind,--kind", options.kind,
                   "all-reduce, all-gather, reduce-scatter, all-to-all, broadcast, send-receive, dispatch, combine")
      ->required()
      ->type_name("KIND");
  command->add_option("--machine", options.machine, "Machine: a cluster's, node's or device's name, or a JSON file")
      ->required()
      ->type_name("NAME|FILE");
  const auto whole = [command](const char* name, std::int64_t& value, const char* what) {
    command->add_option(name, value, what)->type_name("N");
  };
  whole("--ranks", options.ranks, "Ranks of the group, node after node (default: all devices)");
  whole("--groups", options.groups, "Groups that do the same at once (default 1)");
  command->add_option("--bytes", options.bytes, "Message: of one rank's buffer, as nccl-tests count")
      ->type_name("SIZE");
  whole("--shift", options.shift, "Of send-receive: every rank sends to the one so many ranks further (default 1)");
  command
      ->add_option("--algorithm", options.algorithm, "Instead of the fastest: ring, tree, hierarchical, two-phase, ...")
      ->type_name("NAME");
  command
      ->add_option("--fabric", options.fabric,
                   "closed-form (default), flows (max-min fair on the topology) or simgrid (the same by SimGrid)")
      ->type_name("MODEL");
  command->add_option("--routes", options.routes, "Of flows: shortest, ecmp, spray (default), split, adaptive")
      ->type_name("POLICY");
  whole("--seed", options.seed, "Of the hash of ecmp (default 1)");
  command->add_flag("--no-forwarding", options.no_forwarding,
                    "Traffic for another rail or plane crosses the network, not the node's links first");
  whole("--tokens", options.tokens, "Of dispatch and combine: tokens of one rank");
  whole("--hidden", options.hidden, "Of dispatch and combine: elements of one token");
  whole("--top-k", options.top_k, "Of dispatch and combine: experts of one token");
  whole("--experts", options.experts, "Of dispatch and combine: experts of the layer");
  whole("--expert-groups", options.expert_groups, "Groups that --node-limit counts (DeepSeek-V3: 8)");
  whole("--node-limit", options.node_limit, "Most groups that one token uses (DeepSeek-V3: 4; default: no limit)");
  command
      ->add_option("--routing", options.routing, "uniform (default), zipf:EXPONENT, or a file; the busiest rank counts")
      ->type_name("ROUTING");
  whole("--slices", options.slices, "Ranks that every expert is cut over (default 1)");
  command->add_option("--exchange", options.exchange, "normal (default), low-latency or all-to-all")->type_name("WAY");
  command
      ->add_option("--row-bytes", options.row_bytes,
                   "Of one token (default: fp8 with scales for dispatch, bf16 for combine)")
      ->type_name("B");
  command->add_option("--link-fraction", options.link_fraction, "Achieved share of links inside nodes (default 1)")
      ->type_name("SHARE");
  command->add_option("--network-fraction", options.network_fraction, "Achieved share of the network (default 1)")
      ->type_name("SHARE");
  command->add_option("--latency", options.latency, "Of dispatch and combine: time beside the bytes (default 0)")
      ->type_name("TIME");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer(
      "Example:\n  moesaic collective all-to-all --machine h800-cluster --ranks 64 --bytes '64 MB' --fabric flows");
  return command;
}

void run_collective(const CollectiveOptions& options, const Console& console) {
  check_output("-o", options.output_file);
  const std::size_t kind = parse_kind(options.kind);
  const CollectiveReport report = kind < kCollectiveKindCount
                                      ? collective_report(options, static_cast<CollectiveKind>(kind))
                                      : exchange_report(options, kind > kCollectiveKindCount);
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json" ? collective_json(report) : collective_text(report, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
