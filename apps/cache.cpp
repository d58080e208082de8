#include "apps/cache.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "apps/options.hpp"
#include "apps/scenario.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "reports/cache.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostUses = 200'000'000;  // of experts in a trace: a gigabyte of it

double number_or_percent(const std::string& option, std::string_view text) {
  const bool hundredths = text.ends_with('%');
  const std::string_view digits = hundredths ? text.substr(0, text.size() - 1) : text;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(number)) {
    throw UserError(fmt::format("{}: '{}' is not a number", option, printable(text)));
  }
  return hundredths ? number / 100 : number;
}

/// `key=value` items between commas or spaces; an item without a key is another value of the one before.
std::vector<std::pair<std::string, std::vector<std::string>>> parse_items(const std::string& option,
                                                                          const std::string& text,
                                                                          const std::vector<std::string>& keys) {
  std::vector<std::pair<std::string, std::vector<std::string>>> items;
  std::size_t first = 0;
  while (first <= text.size()) {
    const std::size_t last = std::min(text.find_first_of(", ", first), text.size());
    std::string item = text.substr(first, last - first);
    first = last + 1;
    if (const std::size_t equals = item.find('='); equals != std::string::npos) {
      const std::string key = item.substr(0, equals);
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        throw UserError(fmt::format("{}: unknown '{}'{}", option, printable(key), suggest(key, keys)));
      }
      items.emplace_back(key, std::vector<std::string>{});
      item = item.substr(equals + 1);
    } else if (items.empty()) {
      throw UserError(fmt::format("{}: '{}' is not KEY=VALUE{}", option, printable(item), suggest(item, keys)));
    }
    items.back().second.push_back(item);
  }
  return items;
}

std::int64_t not_negative(const char* option, const std::string& text) {
  const std::int64_t count = parse_count(option, text);
  if (count < 0) {
    throw UserError(fmt::format("{}: {} is negative", option, count));
  }
  return count;
}

/// Name, experts, top-k, layers and the size of an expert.
CacheReport read_layers(const CacheOptions& options) {
  CacheReport report;
  if (options.model.empty()) {
    if (options.experts.empty() || options.top_k.empty()) {
      throw UserError("give --model, or --experts and --top-k");
    }
    report.experts = parse_positive("--experts", options.experts);
    report.top_k = parse_positive("--top-k", options.top_k);
    report.layers = options.layers.empty() ? 1 : parse_positive("--layers", options.layers);
    report.what = "layers by numbers";
  } else {
    if (!options.experts.empty() || !options.top_k.empty()) {
      throw UserError("--experts, --top-k: the model says them; leave out these or --model");
    }
    const Architecture architecture = read_architecture(load_model_config(options.model));
    for (std::int64_t layer = 0; layer < architecture.layer_count(); ++layer) {
      const auto& feed_forward = architecture.layer(static_cast<std::size_t>(layer)).feed_forward;
      if (const auto* moe = std::get_if<MoeFeedForward>(&feed_forward)) {
        if (report.layers++ == 0) {
          report.experts = moe->experts;
          report.top_k = moe->experts_per_token;
          report.expert =
              Bytes{expert_parameters(*moe, architecture.hidden) * architecture.precision.expert_weights.bits / 8};
        }
      }
    }
    if (report.layers == 0) {
      throw UserError(fmt::format("--model: {} has no routed experts", printable(architecture.name)));
    }
    report.layers = options.layers.empty() ? report.layers : parse_positive("--layers", options.layers);
    report.what = architecture.name;
  }
  if (report.top_k > report.experts) {
    throw UserError(
        fmt::format("--top-k: {} of {} experts; allowed are 1 to {}", report.top_k, report.experts, report.experts));
  }
  return report;
}

Locality read_locality(const CacheOptions& options, const Routing& routing, LocalTrace wanted) {
  std::optional<std::pair<double, std::int64_t>> target;
  if (!options.locality.empty()) {
    for (const auto& [key, values] :
         parse_items("--locality", options.locality, {"repeat", "preference", "layer-copy", "srp"})) {
      if (values.size() != 1) {
        throw UserError(fmt::format("--locality: {} takes one number", key));
      }
      const std::string& value = values.front();
      const std::size_t at = value.find('@');
      const double number = number_or_percent("--locality " + key, std::string_view(value).substr(0, at));
      if (key == "srp") {
        const std::int64_t segment =
            at == std::string::npos ? 16 : parse_positive("--locality srp=...@M", value.substr(at + 1));
        target = {number, segment};
      } else {
        double& member = key == "repeat"       ? wanted.locality.repeat
                         : key == "preference" ? wanted.locality.preference
                                               : wanted.locality.layer_copy;
        member = number;
      }
    }
  }
  try {
    return target ? locality_of(target->first, target->second, routing, wanted) : wanted.locality;
  } catch (const UserError& error) {
    throw UserError(fmt::format("--locality: {}", error.what()));
  }
}

bool is_trace_file(const std::string& routing) {
  const bool file = std::filesystem::path(routing).extension() == ".json" || routing.find('/') != std::string::npos;
  return file && is_routing_trace(routing);
}

/// Fills in what the report says of it.
RoutingTrace choose_trace(const CacheOptions& options, CacheReport& report, std::uint64_t seed, std::int64_t document) {
  const std::string file = !options.trace.empty()           ? options.trace
                           : is_trace_file(options.routing) ? options.routing
                                                            : "";
  if (!file.empty()) {
    if (!options.locality.empty() || !options.load_deviation.empty()) {
      throw UserError("--locality, --load-deviation: make a synthetic trace; leave them out with a recorded one");
    }
    RoutingTrace trace = read_routing_trace(file, report.experts, report.top_k);
    report.layers = static_cast<std::int64_t>(trace.layers.size());
    report.routing = fmt::format("as recorded in {}", file);
    return trace;
  }
  Routing routing = Routing::parse(options.routing, report.experts, report.top_k);
  report.routing = options.routing;
  if (!options.load_deviation.empty()) {
    if (options.routing != "uniform") {
      throw UserError("--load-deviation: makes its own popularity; leave out --routing");
    }
    const double deviation = number_or_percent("--load-deviation", options.load_deviation);
    routing = routing_of_deviation(report.experts, report.top_k, deviation);
    report.routing = fmt::format("of load deviation {:.4g}%", deviation * 100);
  }
  LocalTrace wanted{report.layers, parse_positive("--tokens", options.tokens), seed, {}};
  if (static_cast<double>(wanted.tokens) * static_cast<double>(wanted.layers * report.top_k) >
      static_cast<double>(kMostUses)) {
    throw UserError(fmt::format("--tokens: {} tokens of {} layers use experts {} times; allowed are {}", wanted.tokens,
                                wanted.layers, wanted.tokens * wanted.layers * report.top_k, kMostUses));
  }
  wanted.locality.document = document;
  wanted.locality = read_locality(options, routing, wanted);
  report.locality = wanted.locality;
  return local_trace(routing, wanted);
}

double read_capacity(const std::string& text, const CacheReport& report) {
  double experts = 0;
  if (text.ends_with('x')) {
    experts = number_or_percent("--capacity", std::string_view(text).substr(0, text.size() - 1)) *
              static_cast<double>(report.top_k);
  } else {
    const double number = number_or_percent("--capacity", text);
    const bool share = text.ends_with('%') || (number > 0 && number < 1);
    experts = share ? number * static_cast<double>(report.experts) : number;
  }
  if (!(experts >= 1 && experts <= static_cast<double>(report.experts))) {
    throw UserError(
        fmt::format("--capacity: '{}' is {} experts of a layer; allowed are 1 to {}, or 2x for twice those "
                    "of a token, or a share like 25%",
                    printable(text), experts, report.experts));
  }
  return experts;
}

Prefetch read_prefetch(const std::string& text, const CacheReport& report) {
  Prefetch prefetch;
  prefetch.window = std::numeric_limits<double>::infinity();
  for (const auto& [key, values] : parse_items("--prefetch", text, {"accuracy", "extra", "window", "guesses"})) {
    for (const std::string& value : values) {
      if (key == "accuracy") {
        prefetch.accuracy.push_back(number_or_percent("--prefetch accuracy", value));
      } else if (key == "guesses") {
        if (value != "kept" && value != "buffered") {
          throw UserError(fmt::format("--prefetch guesses: '{}' is neither buffered nor kept", printable(value)));
        }
        prefetch.kept = value == "kept";
      } else if (key == "extra") {
        prefetch.extra = parse_count("--prefetch extra", value);
      } else {
        prefetch.window = number_or_percent("--prefetch window", value);
      }
    }
  }
  if (static_cast<std::int64_t>(prefetch.accuracy.size()) > report.layers) {
    throw UserError(fmt::format("--prefetch accuracy: looks {} layers ahead; there are {}", prefetch.accuracy.size(),
                                report.layers));
  }
  return prefetch;
}

}  // namespace

CLI::App* add_cache_command(CLI::App& app, CacheOptions& options) {
  CLI::App* command =
      app.add_subcommand("cache", "Caches of experts: hit rates of policies over a trace with locality");
  const auto add = [command](const char* name, std::string& value, const char* what, const char* type) {
    command->add_option(name, value, what)->type_name(type);
  };
  add("--model", options.model, "Model: a preset's name or part of it, or a Hugging Face config.json", "NAME|FILE");
  add("--experts", options.experts, "Experts of a layer, without a model", "N");
  add("--top-k", options.top_k, "Experts of a token, without a model", "N");
  add("--layers", options.layers, "Layers (default: the model's layers with experts, else 1)", "N");
  add("--routing", options.routing,
      "Popularity of experts: uniform, zipf:EXPONENT, or a JSON file with a histogram or a trace (default uniform)",
      "ROUTING");
  add("--load-deviation", options.load_deviation,
      "Instead: popularity with this standard deviation of experts' shares of the tokens, like 4.02%", "X");
  add("--trace", options.trace, "Recorded trace, instead of a synthetic one", "FILE");
  add("--locality", options.locality,
      "Of the synthetic trace: repeat=P, preference=X (with --document), layer-copy=P, or srp=F@M, which finds the "
      "repeat, or with --document the preference",
      "KEY=X,...");
  add("--document", options.document, "Tokens of a document or request (default 0: the trace is one)", "N");
  add("--tokens", options.tokens, "Tokens of the synthetic trace (default 4096)", "N");
  add("--seed", options.seed, "Seed of what is drawn (default 1)", "N");
  add("--batch", options.batch, "Tokens of a step (default 1)", "N");
  add("--warm-up", options.warm_up, "Tokens at the start that are not counted (default 0)", "N");
  command
      ->add_option("--capacity", options.capacities,
                   "Experts of a layer that are held: 12, 2x (of a token's), 25%; lists are separated by commas "
                   "(default 2x)")
      ->type_name("N,...")
      ->delimiter(',');
  command
      ->add_option(
          "--policy", options.policies,
          "lru, lfu, random, arc, fixed, score, activation, and the oracles segment, belady and optimal; lists are "
          "separated by commas (default lru,lfu,belady,optimal)")
      ->type_name("NAME,...")
      ->delimiter(',');
  command->add_flag("--shared", options.shared, "One pool for all layers instead of a quota for each");
  command->add_flag("--cold", options.cold, "Caches start empty with every document");
  add("--pinned-layers", options.pinned_layers, "First layers that are held whole, beside the capacity (default 0)",
      "N");
  add("--segment", options.segment, "Tokens of the segments that SRP is measured over (default 16)", "N");
  add("--look-ahead", options.look_ahead, "Tokens that the policy segment sees (default 16)", "N");
  command->add_option("--score-weight", options.score_weight, "Of the newest use in the policy score (default 0.1)")
      ->type_name("X");
  add("--prefetch", options.prefetch,
      "accuracy=A1,A2,...: chance that an expert 1, 2, ... layers ahead is guessed; extra=N guesses more; window=N "
      "experts arrive while a layer computes (default: all guesses do); guesses=kept: they take slots of the cache",
      "KEY=X,...");
  command->add_flag("--batching", options.batching, "Distinct experts of batches by what is put together");
  add("--waiting", options.waiting, "Tokens that --batching chooses from (default 4 batches)", "N");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer(
      "Example:\n  moesaic cache --model Qwen3-30B-A3B --locality srp=0.54@16 --capacity 1x,2x,4x\n"
      "  moesaic cache --experts 64 --top-k 8 --layers 8 --locality repeat=0.3 --prefetch accuracy=0.9,window=6");
  return command;
}

std::string cache_result(const CacheOptions& options, bool rich) {
  CacheReport report = read_layers(options);
  CacheQuestion question;
  question.batch = parse_positive("--batch", options.batch);
  question.warm_up = not_negative("--warm-up", options.warm_up);
  question.pinned_layers = not_negative("--pinned-layers", options.pinned_layers);
  question.seed = static_cast<std::uint64_t>(not_negative("--seed", options.seed));
  question.look_ahead = parse_positive("--look-ahead", options.look_ahead);
  question.request = not_negative("--document", options.document);
  question.score_weight = options.score_weight;
  question.shared = options.shared;
  question.cold = options.cold;
  if (options.cold && question.request == 0) {
    throw UserError("--cold: is for requests; say with --document how many tokens they have");
  }
  std::vector<CachePolicy> policies;
  for (const std::string& policy : options.policies) {
    policies.push_back(parse_cache_policy(policy));
  }
  std::vector<double> capacities;
  for (const std::string& capacity : options.capacities) {
    capacities.push_back(read_capacity(capacity, report));
  }
  report.segment = parse_positive("--segment", options.segment);
  report.batch = question.batch;
  const RoutingTrace trace = choose_trace(options, report, question.seed, question.request);
  report.tokens = trace.tokens();
  report.segment =
      std::min(report.segment, question.request > 0 ? std::min(question.request, report.tokens) : report.tokens);
  report.segments = segment_routing(trace, report.segment, question.request);
  report.measured = routing_locality(trace);
  for (std::size_t i = 0; i < capacities.size(); ++i) {
    for (const CachePolicy policy : policies) {
      question.policy = policy;
      question.capacity = capacities[i];
      CacheReport::Row row{options.capacities[i], capacities[i], policy, simulate_cache(trace, question), {}};
      if (!options.prefetch.empty()) {
        Prefetch prefetch = read_prefetch(options.prefetch, report);
        prefetch.seed = question.seed;
        row.prefetch = simulate_prefetch(trace, question, prefetch);
      }
      report.rows.push_back(std::move(row));
    }
  }
  if (options.batching) {
    BatchingQuestion batching;
    batching.batch = question.batch;
    batching.waiting = options.waiting.empty() ? 4 * question.batch : parse_positive("--waiting", options.waiting);
    batching.document = question.request > 0 ? question.request : trace.tokens();
    report.batching = distinct_experts(trace, batching);
  } else if (!options.waiting.empty()) {
    throw UserError("--waiting: is for --batching; give that, too");
  }
  return options.format == "json" ? cache_json(report) : cache_text(report, {.rich = rich});
}

}  // namespace moesaic
