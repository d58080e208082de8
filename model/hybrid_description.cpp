#include "model/hybrid_description.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/placement_settings.hpp"
#include "model/step_graph.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 5> kMissing = {"streamed", "fetched", "host", "cheaper", "balanced"};
constexpr int kMostBufferedLayers = 200;
constexpr int kMostLookAhead = 64;
constexpr int kMostDeviceLayers = 10000;

double number_in(const Config& config, double least, double most) {
  const double value = config.number();
  if (!(value >= least && value <= most)) {
    config.fail(most == std::numeric_limits<double>::infinity()
                    ? fmt::format("must be at least {}, found {}", least, value)
                    : fmt::format("must be from {} to {}, found {}", least, most, value));
  }
  return value;
}

void read_share(const Config& owner, std::string_view key, double& share) {
  if (const auto config = owner.find(key)) {
    share = number_in(*config, 0, 1);
  }
}

void read_count(const Config& owner, std::string_view key, int most, int& count) {
  if (const auto config = owner.find(key)) {
    const std::int64_t value = config->integer();
    if (value < 1 || value > most) {
      config->fail(fmt::format("must be a whole number from 1 to {}, found {}", most, value));
    }
    count = static_cast<int>(value);
  }
}

/// One of several words; the first is the value false.
bool read_choice(const Config& owner, std::string_view key, std::string_view no, std::string_view yes, bool fallback) {
  const auto config = owner.find(key);
  if (!config) {
    return fallback;
  }
  const std::string word = config->string();
  if (word != no && word != yes) {
    config->fail(fmt::format("must be \"{}\" or \"{}\", found \"{}\"{}", no, yes, printable(word),
                             suggest(word, std::array{std::string(no), std::string(yes)})));
  }
  return word == yes;
}

void read_experts(const Config& config, HybridDescription& out) {
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  read_share(config, "device", out.experts_on_device);
  if (const auto hits = config.find("hits")) {
    out.hits = number_in(*hits, 0, 1);
    if (out.experts_on_device <= 0 && *out.hits > 0) {
      hits->fail("no expert is on the device (\"device\" is 0), so none can be found there");
    }
    if (out.experts_on_device >= 1 && *out.hits < 1) {
      hits->fail("all experts are on the device (\"device\" is 1), so all are found there");
    }
  }
  if (const auto missing = config.find("missing")) {
    out.missing = static_cast<MissingExperts>(read_word(*missing, kMissing));
  }
  if (const auto prefetch = config.find("prefetch")) {
    read_share(*prefetch, "accuracy", out.prefetch_accuracy);
    read_count(*prefetch, "look_ahead", kMostLookAhead, out.look_ahead);
    if (const auto extra = prefetch->find("extra")) {
      out.prefetch_extra = number_in(*extra, 0, kNoLimit);
    }
    if (out.prefetch_accuracy > 0 && out.missing != MissingExperts::fetched) {
      prefetch->fail(fmt::format("only experts that are \"fetched\" can be fetched ahead; \"missing\" is \"{}\"",
                                 to_text(out.missing)));
    }
  }
  read_share(config, "deferred", out.deferred);
  if (const auto tokens = config.find("host_tokens")) {
    out.host_tokens = number_in(*tokens, 0, kNoLimit);
  }
}

/// What is not said stays as in `usual`.
HybridDescription::LongPrompts read_long_prompts(const Config& config, const HybridDescription& usual) {
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  HybridDescription::LongPrompts out{.above = number_in(config.at("above"), 0, kNoLimit),
                                     .missing = usual.missing,
                                     .host_tokens = usual.host_tokens,
                                     .host_attention = usual.host_attention,
                                     .buffered_layers = usual.buffered_layers,
                                     .staged = usual.staged};
  if (const auto missing = config.find("missing")) {
    out.missing = static_cast<MissingExperts>(read_word(*missing, kMissing));
  }
  if (const auto tokens = config.find("host_tokens")) {
    out.host_tokens = number_in(*tokens, 0, kNoLimit);
  }
  read_share(config, "host_attention", out.host_attention);
  read_count(config, "buffered_layers", kMostBufferedLayers, out.buffered_layers);
  out.staged = read_choice(config, "copies", "pinned", "staged", usual.staged);
  if (usual.on_host && out.missing != MissingExperts::streamed && out.missing != MissingExperts::fetched) {
    config.fail(
        "of a network that the host computes (\"dense.unit\" is \"host\"), long prompts run on the device: "
        "\"missing\" must be streamed or fetched");
  }
  return out;
}

/// The member "long_prompts" as text, null where there is none.
std::string long_prompts_text(const std::optional<HybridDescription::LongPrompts>& prompts) {
  return !prompts
             ? "null"
             : fmt::format(R"({{"above": {}, "missing": "{}", "host_tokens": {}, "host_attention": {},
 "buffered_layers": {}, "copies": "{}"}})",
                           prompts->above, to_text(prompts->missing),
                           prompts->host_tokens ? fmt::format("{}", *prompts->host_tokens) : "null",
                           prompts->host_attention, prompts->buffered_layers, prompts->staged ? "staged" : "pinned");
}

}  // namespace

HybridDescription of_long_prompts(const HybridDescription& description) {
  HybridDescription way = description;
  if (const auto& changed = description.long_prompts) {
    way.on_host = false;
    if (description.on_host) {  // all of it is in the host's memory, whoever computes
      way.dense_on_device = way.experts_on_device = way.cache_on_device = 0;
      way.hits.reset();
    }
    way.missing = changed->missing;
    way.host_tokens = changed->host_tokens;
    way.host_attention = changed->host_attention;
    way.buffered_layers = changed->buffered_layers;
    way.staged = changed->staged;
    if (way.missing != MissingExperts::fetched) {
      way.prefetch_accuracy = way.prefetch_extra = 0;
    }
  }
  return way;
}

std::string_view to_text(MissingExperts missing) { return kMissing[static_cast<std::size_t>(missing)]; }

HybridDescription read_hybrid(const Config& config) {
  constexpr std::array<std::string_view, 2> kNotes = {"kind", "sources"};
  config.ignore(kNotes);
  HybridDescription out;
  out.name = config.at("name").string();
  out.description = config.string_or("description", "");
  out.engine = config.string_or("engine", "");
  if (const auto dense = config.find("dense")) {
    read_share(*dense, "device", out.dense_on_device);
    out.on_host = read_choice(*dense, "unit", "device", "host", false);
  }
  if (const auto experts = config.find("experts")) {
    read_experts(*experts, out);
  }
  if (const auto cache = config.find("cache")) {
    read_share(*cache, "device", out.cache_on_device);
    read_share(*cache, "host_attention", out.host_attention);
  }
  if (const auto layers = config.find("device_layers")) {
    out.device_layers = static_cast<int>(number_in(*layers, 0, kMostDeviceLayers));
    if (out.device_layers != layers->integer()) {
      layers->fail("must be a whole number");
    }
  }
  read_count(config, "buffered_layers", kMostBufferedLayers, out.buffered_layers);
  read_count(config, "batches", kMostBatches, out.batches);
  out.staged = read_choice(config, "copies", "pinned", "staged", false);
  out.sockets_apart = !read_choice(config, "sockets", "apart", "spread", false);
  if (const auto storage = config.find("storage")) {
    read_share(*storage, "weights", out.weights_on_storage);
    read_share(*storage, "cache", out.cache_on_storage);
    if (out.on_host && out.weights_on_storage + out.cache_on_storage > 0) {
      storage->fail(
          "a network that the host computes (\"dense.unit\" is \"host\") has its weights and cache in memory");
    }
  }
  if (const auto prompts = config.find("long_prompts")) {
    out.long_prompts = read_long_prompts(*prompts, out);
  }
  config.reject_unknown();
  return out;
}

HybridDescription with_changes(const HybridDescription& now, const std::vector<std::string>& changes) {
  if (changes.empty()) {
    return now;
  }
  const auto optional = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : "null"; };
  const Config config = Config::parse(
      fmt::format(R"({{"name": "changed", "device_layers": {}, "dense": {{"device": {}, "unit": "{}"}},
 "experts": {{"device": {}, "hits": {}, "missing": "{}", "prefetch": {{"accuracy": {}, "look_ahead": {}, "extra": {}}},
             "deferred": {}, "host_tokens": {}}},
 "cache": {{"device": {}, "host_attention": {}}}, "buffered_layers": {}, "batches": {}, "copies": "{}",
 "sockets": "{}", "storage": {{"weights": {}, "cache": {}}}, "long_prompts": {}}})",
                  now.device_layers, now.dense_on_device, now.on_host ? "host" : "device", now.experts_on_device,
                  optional(now.hits), to_text(now.missing), now.prefetch_accuracy, now.look_ahead, now.prefetch_extra,
                  now.deferred, optional(now.host_tokens), now.cache_on_device, now.host_attention, now.buffered_layers,
                  now.batches, now.staged ? "staged" : "pinned", now.sockets_apart ? "apart" : "spread",
                  now.weights_on_storage, now.cache_on_storage, long_prompts_text(now.long_prompts)),
      "--set");
  HybridDescription out = read_hybrid(with_settings(config, changes));
  out.name = now.name;
  out.description = now.description;
  out.engine = now.engine;
  return out;
}

}  // namespace moesaic
