#include "model/hybrid_description.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <limits>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/placement_settings.hpp"
#include "model/step_graph.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 5> kMissing = {"streamed", "fetched", "host", "cheaper", "balanced"};
constexpr std::array<std::string_view, 3> kBeside = {"all", "copies", "none"};
constexpr std::array<std::string_view, 3> kCopies = {"pinned", "staged", "pageable"};
constexpr int kMostBufferedLayers = 200;
constexpr int kMostLookAhead = 64;
constexpr int kMostDeviceLayers = 10000;
constexpr int kMostExpertSlots = 1 << 16;

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

void read_whole(const Config& owner, std::string_view key, std::int64_t least, std::int64_t& count) {
  constexpr std::int64_t kMost = 1 << 24;
  if (const auto config = owner.find(key)) {
    count = config->integer();
    if (count < least || count > kMost) {
      config->fail(fmt::format("must be a whole number from {} to {}, found {}", least, kMost, count));
    }
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

/// A cache whose hits are simulated: a cache has slots, and its hits are not given as well.
void read_cached(const Config& config, HybridDescription& out) {
  CachedExperts& cached = out.cached.emplace();
  cached.policy = config.string_or("policy", cached.policy);
  if (const auto srp = config.find("srp")) {
    cached.segment_performance = number_in(*srp, 0, 1);
  }
  read_whole(config, "segment", 1, cached.segment);
  read_share(config, "repeat", cached.repeat);
  read_whole(config, "document", 0, cached.document);
  if (const auto deviation = config.find("load_deviation")) {
    cached.load_deviation = number_in(*deviation, 0, 1);
  }
  cached.shared = config.boolean_or("shared", false);
  if (cached.segment_performance && cached.repeat > 0) {
    config.at("repeat").fail("\"srp\" says how tokens resemble each other; give one of them");
  }
  if (out.hits) {
    config.fail("\"hits\" is given, and a cache's hits are simulated; give one of them");
  }
  if (out.experts_on_device <= 0) {
    config.fail("the cache has no slots: \"device\" is 0");
  }
  config.reject_unknown();
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
    out.guesses_kept = read_choice(*prefetch, "guesses", "buffered", "kept", false);
    if (out.prefetch_accuracy > 0 && out.missing == MissingExperts::streamed) {
      prefetch->fail("all experts of a layer come ahead (\"missing\" is \"streamed\"), so that none need be foreseen");
    }
  }
  read_share(config, "deferred", out.deferred);
  if (out.deferred > 0 && out.missing == MissingExperts::host && out.prefetch_accuracy > 0) {
    config.at("deferred").fail("what is foreseen (\"prefetch\") is not put off as well; give one of them");
  }
  out.copied_back = read_choice(config, "evicted", "dropped", "copied", false);
  if (out.copied_back && out.missing != MissingExperts::fetched) {
    config.at("evicted").fail(fmt::format(
        "only where missing experts are \"fetched\" do others leave; \"missing\" is \"{}\"", to_text(out.missing)));
  }
  if (const auto bytes = config.find("copied_bytes")) {
    out.copied_bytes = number_in(*bytes, 0, 1);
    if (out.copied_bytes < 1 && out.missing == MissingExperts::host) {
      bytes->fail("experts that the host computes are not copied (\"missing\" is \"host\")");
    }
  }
  if (const auto cache = config.find("cache"); cache && !cache->is_null()) {
    read_cached(*cache, out);
  }
  if (out.guesses_kept && !out.cached) {
    config.at("prefetch")
        .at("guesses")
        .fail("guesses are kept in a \"cache\" whose hits are simulated; \"experts\" has none");
  }
  if (const auto tokens = config.find("host_tokens")) {
    out.host_tokens = number_in(*tokens, 0, kNoLimit);
  }
  read_share(config, "skipped", out.skipped);
  if (const auto slots = config.find("buffered"); slots && !slots->is_null()) {
    read_count(config, "buffered", kMostExpertSlots, out.expert_slots);
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
                                     .copies = usual.copies};
  if (const auto missing = config.find("missing")) {
    out.missing = static_cast<MissingExperts>(read_word(*missing, kMissing));
  }
  if (const auto tokens = config.find("host_tokens")) {
    out.host_tokens = number_in(*tokens, 0, kNoLimit);
  }
  read_share(config, "host_attention", out.host_attention);
  read_count(config, "buffered_layers", kMostBufferedLayers, out.buffered_layers);
  if (const auto copies = config.find("copies")) {
    out.copies = static_cast<CopyKind>(read_word(*copies, kCopies));
  }
  if (usual.on_host && out.missing != MissingExperts::streamed && out.missing != MissingExperts::fetched) {
    config.fail(
        "of a network that the host computes (\"dense.unit\" is \"host\"), long prompts run on the device: "
        "\"missing\" must be streamed or fetched");
  }
  return out;
}

/// The member "cache" of experts as text, null where there is none.
std::string cached_text(const std::optional<CachedExperts>& cached) {
  if (!cached) {
    return "null";
  }
  const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : "null"; };
  return fmt::format(
      R"({{"policy": "{}", "srp": {}, "segment": {}, "repeat": {}, "document": {}, "load_deviation": {}, "shared": {}}})",
      cached->policy, number(cached->segment_performance), cached->segment, cached->repeat, cached->document,
      number(cached->load_deviation), cached->shared);
}

/// The member "long_prompts" as text, null where there is none.
std::string long_prompts_text(const std::optional<HybridDescription::LongPrompts>& prompts) {
  return !prompts ? "null"
                  : fmt::format(R"({{"above": {}, "missing": "{}", "host_tokens": {}, "host_attention": {},
 "buffered_layers": {}, "copies": "{}"}})",
                                prompts->above, to_text(prompts->missing),
                                prompts->host_tokens ? fmt::format("{}", *prompts->host_tokens) : "null",
                                prompts->host_attention, prompts->buffered_layers, to_text(prompts->copies));
}

/// A file that a placement names is looked for beside the placement's own file first.
std::string beside(const Config& placement, const std::string& typed) {
  const std::filesystem::path neighbour = std::filesystem::path(placement.origin()).parent_path() / typed;
  std::error_code error;
  return typed.ends_with(".json") && std::filesystem::is_regular_file(neighbour, error) ? neighbour.string() : typed;
}

/// Slots that experts pass through are of use where experts are copied, and experts in them are gone before another
/// batch comes.
void check_expert_slots(const Config& config, const HybridDescription& is) {
  if (is.expert_slots == 0) {
    return;
  }
  const auto either = [&](auto holds) {
    return holds(is.missing) || (is.long_prompts && holds(is.long_prompts->missing));
  };
  const Config slots = config.at("experts").at("buffered");
  if (!either([](MissingExperts missing) { return missing != MissingExperts::host; })) {
    slots.fail("experts that the host computes are not copied (\"missing\" is \"host\")");
  }
  if (is.batches > 1 && either([](MissingExperts missing) { return missing == MissingExperts::streamed; })) {
    slots.fail(fmt::format(
        "streamed experts that pass through slots are gone before the next of {} batches; \"batches\" must be "
        "1 (\"activations.tokens\" divides what operators work on)",
        is.batches));
  }
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
    way.copies = changed->copies;
    if (way.missing != description.missing) {
      way.prefetch_accuracy = way.prefetch_extra = 0;
    }
  }
  return way;
}

std::string_view to_text(MissingExperts missing) { return kMissing[static_cast<std::size_t>(missing)]; }
std::string_view to_text(Overlapping overlap) { return kBeside[static_cast<std::size_t>(overlap)]; }
std::string_view to_text(CopyKind copies) { return kCopies[static_cast<std::size_t>(copies)]; }

HybridDescription read_hybrid(const Config& config) {
  constexpr std::array<std::string_view, 2> kNotes = {"kind", "sources"};
  config.ignore(kNotes);
  HybridDescription out;
  out.name = config.at("name").string();
  out.description = config.string_or("description", "");
  out.engine = beside(config, config.string_or("engine", ""));
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
    if (const auto attended = cache->find("attended")) {
      out.attended = number_in(*attended, 0, 1);
      if (out.attended <= 0) {
        attended->fail("a token attends to something: a share above 0");
      }
    }
  }
  if (const auto activations = config.find("activations")) {
    read_share(*activations, "device", out.activations_on_device);
    if (out.activations_on_device < 1 && out.on_host) {
      activations->fail("a network that the host computes (\"dense.unit\" is \"host\") has its activations in memory");
    }
    if (const auto tokens = activations->find("tokens"); tokens && !tokens->is_null()) {
      out.tokens_at_once = number_in(*tokens, 1, std::numeric_limits<double>::infinity());
    }
  }
  if (const auto layers = config.find("device_layers")) {
    out.device_layers = static_cast<int>(number_in(*layers, 0, kMostDeviceLayers));
    if (out.device_layers != layers->integer()) {
      layers->fail("must be a whole number");
    }
  }
  read_count(config, "buffered_layers", kMostBufferedLayers, out.buffered_layers);
  read_count(config, "batches", kMostBatches, out.batches);
  if (const auto copies = config.find("copies")) {
    out.copies = static_cast<CopyKind>(read_word(*copies, kCopies));
  }
  if (const auto overlap = config.find("overlap")) {
    out.overlap = static_cast<Overlapping>(read_word(*overlap, kBeside));
  }
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
  check_expert_slots(config, out);
  config.reject_unknown();
  return out;
}

std::string to_json(const HybridDescription& is) {
  const auto optional = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : "null"; };
  const auto positive = [](double value) { return value > 0 ? fmt::format("{}", value) : "null"; };
  return fmt::format(
      R"({{"name": "unnamed", "kind": "placement", "description": "", "engine": "", "device_layers": {}, "dense": {{"device": {}, "unit": "{}"}},
 "experts": {{"device": {}, "hits": {}, "missing": "{}",
             "prefetch": {{"accuracy": {}, "look_ahead": {}, "extra": {}, "guesses": "{}"}}, "cache": {},
             "deferred": {}, "host_tokens": {}, "evicted": "{}", "copied_bytes": {}, "skipped": {}, "buffered": {}}},
 "cache": {{"device": {}, "host_attention": {}, "attended": {}}}, "activations": {{"device": {}, "tokens": {}}},
 "buffered_layers": {}, "batches": {}, "copies": "{}", "overlap": "{}", "sockets": "{}",
 "storage": {{"weights": {}, "cache": {}}}, "long_prompts": {}}})",
      is.device_layers, is.dense_on_device, is.on_host ? "host" : "device", is.experts_on_device,
      is.cached ? "null" : optional(is.hits), to_text(is.missing), is.prefetch_accuracy, is.look_ahead,
      is.prefetch_extra, is.guesses_kept ? "kept" : "buffered", cached_text(is.cached), is.deferred,
      optional(is.host_tokens), is.copied_back ? "copied" : "dropped", is.copied_bytes, is.skipped,
      positive(is.expert_slots), is.cache_on_device, is.host_attention, is.attended, is.activations_on_device,
      positive(is.tokens_at_once), is.buffered_layers, is.batches, to_text(is.copies), to_text(is.overlap),
      is.sockets_apart ? "apart" : "spread", is.weights_on_storage, is.cache_on_storage,
      long_prompts_text(is.long_prompts));
}

HybridDescription with_changes(const HybridDescription& now, const std::vector<std::string>& changes) {
  if (changes.empty()) {
    return now;
  }
  HybridDescription out = read_hybrid(with_settings(Config::parse(to_json(now), "--set"), changes));
  out.name = now.name;
  out.description = now.description;
  out.engine = now.engine;
  return out;
}

}  // namespace moesaic
