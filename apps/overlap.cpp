#include "apps/overlap.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "apps/options.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/overlap.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostParts = 1024;
constexpr std::size_t kMostLayers = 1000000;

Seconds read_time(const char* option, const std::string& text) {
  try {
    return parse_quantity<Seconds>(text);
  } catch (const UserError& error) {
    throw UserError(fmt::format("{}: {}", option, error.what()));
  }
}

/// "START+REST"; the exponent of a number may have a sign, too.
ChunkedTime read_chunked(const char* option, const std::string& text) {
  for (std::size_t at = text.find('+'); at != std::string::npos; at = text.find('+', at + 1)) {
    if (at > 0 && text[at - 1] != 'e' && text[at - 1] != 'E') {
      return {read_time(option, text.substr(0, at)), read_time(option, text.substr(at + 1))};
    }
  }
  return {Seconds{}, read_time(option, text)};
}

MoeLayerTimes read_layer(const OverlapOptions& options) {
  MoeLayerTimes layer;
  layer.all_to_all = read_chunked("--all-to-all", options.all_to_all);
  layer.all_gather = read_chunked("--all-gather", options.all_gather);
  layer.reduce_scatter = read_chunked("--reduce-scatter", options.reduce_scatter);
  layer.experts = read_chunked("--experts", options.experts);
  layer.gradients = read_chunked("--gradients", options.gradients);
  layer.attention = read_time("--attention", options.attention);
  if (!(options.backward >= 0) || options.backward > 100) {
    throw UserError(fmt::format("--backward: found {}, allowed are 0 to 100", options.backward));
  }
  layer.backward = options.backward;
  if (run_overlap(layer, OverlapPolicy::sequential, true, 1).total <= Seconds{}) {
    throw UserError("--all-to-all, --experts, ...: give the times of a layer, or --sweep FILE");
  }
  return layer;
}

/// A sweep has its times in its file.
void check_sweep_alone(const OverlapOptions& options) {
  const OverlapOptions none;
  const auto check = [](const char* option, bool given) {
    if (given) {
      throw UserError(fmt::format("{}: the layers of a sweep have their times from its file; leave it out", option));
    }
  };
  check("--all-to-all", options.all_to_all != none.all_to_all);
  check("--all-gather", options.all_gather != none.all_gather);
  check("--reduce-scatter", options.reduce_scatter != none.reduce_scatter);
  check("--experts", options.experts != none.experts);
  check("--attention", options.attention != none.attention);
  check("--gradients", options.gradients != none.gradients);
  check("--backward", options.backward != none.backward);
}

/// 0: the best.
int read_chunks(const std::string& text) {
  int chunks = 0;
  if (text == "best") {
    return chunks;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), chunks);
  if (error != std::errc() || end != text.data() + text.size() || chunks < 1 || chunks > kMostParts) {
    throw UserError(fmt::format("--chunks: found '{}', allowed are 1 to {} or 'best'", printable(text), kMostParts));
  }
  return chunks;
}

LinearFit read_fit(const Config& fits, std::string_view key) {
  const Config fit = fits.at(key);
  return {fit.at("start").quantity<Seconds>(), fit.at("slope").quantity<Seconds>()};
}

template <class Number>
std::vector<Number> read_list(const Config& grid, std::string_view key, double least) {
  std::vector<Number> numbers;
  for (const Config& element : grid.at(key).elements()) {
    const double number = element.number();
    if (!(number >= least) || number > 1e9 || static_cast<double>(static_cast<Number>(number)) != number) {
      element.fail(fmt::format("found {}, allowed are {} to 1e9", number, least));
    }
    numbers.push_back(static_cast<Number>(number));
  }
  if (numbers.empty()) {
    grid.at(key).fail("is empty");
  }
  return numbers;
}

OverlapSweepReport read_and_sweep(const OverlapOptions& options, OverlapPolicy baseline, int most) {
  const Config config = Config::load(options.sweep);
  OverlapSweepReport report;
  report.name = config.at("name").string();
  config.find("source");
  config.find("note");
  const Config fits = config.at("fits");
  const OverlapFits of{read_fit(fits, "experts"),    read_fit(fits, "attention"),      read_fit(fits, "all_to_all"),
                       read_fit(fits, "all_gather"), read_fit(fits, "reduce_scatter"), read_fit(fits, "all_reduce")};
  const Config layers = config.at("layers");
  OverlapGrid grid;
  grid.top_k = config.at("top_k").integer();
  if (grid.top_k < 1 || grid.top_k > 1024) {
    config.at("top_k").fail(fmt::format("found {}, allowed are 1 to 1024", grid.top_k));
  }
  grid.batch = read_list<std::int64_t>(layers, "batch", 1);
  grid.heads = read_list<std::int64_t>(layers, "heads", 1);
  grid.length = read_list<std::int64_t>(layers, "length", 1);
  grid.hidden = read_list<std::int64_t>(layers, "hidden", 1);
  grid.expansion = read_list<double>(layers, "expansion", 1e-3);
  grid.capacity = read_list<double>(layers, "capacity", 0);
  grid.matrices = read_list<std::int64_t>(layers, "matrices", 1);
  config.reject_unknown();
  if (grid.layers() > kMostLayers) {
    layers.fail(fmt::format("has {} layers, allowed are {}", grid.layers(), kMostLayers));
  }
  bool takes_time = false;
  for (const LinearFit& fit : {of.experts, of.attention, of.all_to_all, of.all_gather, of.reduce_scatter}) {
    takes_time = takes_time || fit.start > Seconds{} || fit.slope > Seconds{};
  }
  if (!takes_time) {
    fits.fail("no operation of a forward pass takes any time");
  }
  report.baseline = baseline;
  report.sweep = sweep_overlap(of, grid, baseline, most);
  return report;
}

}  // namespace

CLI::App* add_overlap_command(CLI::App& app, OverlapOptions& options) {
  CLI::App* command =
      app.add_subcommand("overlap", "One MoE layer in chunks: exchanges, collectives and experts beside each other");
  const auto add_time = [&](const char* name, std::string& time, const char* what) {
    command->add_option(name, time, what)->type_name("TIME");
  };
  add_time("--all-to-all", options.all_to_all,
           "Each of the two exchanges between nodes; START+REST: what every chunk takes, and what chunks divide");
  add_time("--all-gather", options.all_gather, "Inside nodes, before experts (as all times: START+REST)");
  add_time("--reduce-scatter", options.reduce_scatter, "Inside nodes, after experts");
  add_time("--experts", options.experts, "Forward");
  add_time("--attention", options.attention, "Forward, with all else that is computed");
  add_time("--gradients", options.gradients, "All-reduce of attention's gradients between nodes");
  command->add_option("--backward", options.backward, "Experts and attention backward over forward (default 2)")
      ->type_name("X");
  command
      ->add_option("--policy", options.policies,
                   "sequential, tutel, tutel-improved, no-iio, fsmoe; lists are separated by commas (default: all)")
      ->type_name("NAME,...")
      ->delimiter(',');
  command->add_option("--baseline", options.baseline, "Speedups are over this policy (default tutel)")
      ->type_name("NAME");
  command->add_option("--chunks", options.chunks, "Number of chunks, or best (default)")->type_name("N|best");
  command->add_option("--most-chunks", options.most_chunks, "Where the best is looked for (default up to 16)")
      ->type_name("N");
  command
      ->add_option("--sweep", options.sweep,
                   "JSON with fitted times and a grid of layers instead of one layer (docs/pipelines.md)")
      ->type_name("FILE");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer(
      "Example:\n  moesaic overlap --all-to-all 3.45ms --all-gather 4.6ms --reduce-scatter 5.4ms --experts 3.1ms "
      "--attention 1.7ms --gradients 5.26ms");
  return command;
}

std::string overlap_result(const OverlapOptions& options, bool rich) {
  const OverlapPolicy baseline = parse_overlap_policy("--baseline", options.baseline);
  const int chunks = read_chunks(options.chunks);
  if (options.most_chunks < 1 || options.most_chunks > kMostParts) {
    throw UserError(fmt::format("--most-chunks: found {}, allowed are 1 to {}", options.most_chunks, kMostParts));
  }
  const int most = static_cast<int>(options.most_chunks);
  const bool json = options.format == "json";
  if (!options.sweep.empty()) {
    if (chunks > 0) {
      throw UserError("--chunks: a sweep takes the best number of each layer; leave it out");
    }
    if (!options.policies.empty()) {
      throw UserError("--policy: a sweep compares all policies; leave it out");
    }
    check_sweep_alone(options);
    const OverlapSweepReport report = read_and_sweep(options, baseline, most);
    return json ? overlap_sweep_json(report) : overlap_sweep_text(report, {.rich = rich});
  }
  std::vector<OverlapPolicy> policies;
  for (const std::string& policy : options.policies) {
    policies.push_back(parse_overlap_policy("--policy", policy));
  }
  if (policies.empty()) {
    for (int i = 0; i < kOverlapPolicyCount; ++i) {
      policies.push_back(static_cast<OverlapPolicy>(i));
    }
  }
  const OverlapReport report = report_overlap(read_layer(options), policies, baseline, chunks, most);
  return json ? overlap_json(report) : overlap_text(report, {.rich = rich});
}

}  // namespace moesaic
