#include "model/near_memory_description.hpp"

#include <fmt/format.h>

#include <array>

#include "model/placement_settings.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 4> kChoices = {"processor", "near_memory", "faster", "co_processed"};
constexpr int kMostGroups = 1 << 16;

UnitChoice read_choice(const Config& config, bool divisible) {
  const std::span<const std::string_view> words = kChoices;
  return static_cast<UnitChoice>(read_word(config, divisible ? words : words.first(kChoices.size() - 1)));
}

UnitRules read_rules(const Config& owner, std::string_view key, UnitRules rules) {
  const auto config = owner.find(key);
  if (!config) {
    return rules;
  }
  if (const auto choice = config->find("attention")) {
    rules.decode_attention = read_choice(*choice, false);
  }
  if (const auto choice = config->find("experts")) {
    rules.experts = read_choice(*choice, true);
  }
  if (const auto choice = config->find("others")) {
    rules.others = read_choice(*choice, false);
  }
  if (const auto choice = config->find("feed_forward")) {
    rules.feed_forward = read_choice(*choice, true);
  }
  return rules;
}

std::optional<int> read_count(const Config& owner, std::string_view key) {
  const auto config = owner.find(key);
  if (!config) {
    return std::nullopt;
  }
  const std::int64_t count = config->integer();
  if (count < 1 || count > kMostGroups) {
    config->fail(fmt::format("must be a whole number from 1 to {}, found {}", kMostGroups, count));
  }
  return static_cast<int>(count);
}

}  // namespace

std::string_view to_text(UnitChoice choice) { return kChoices[static_cast<std::size_t>(choice)]; }

NearMemoryDescription read_near_memory(const Config& config) {
  constexpr std::array<std::string_view, 2> kNotes = {"kind", "sources"};
  config.ignore(kNotes);
  NearMemoryDescription out;
  out.name = config.at("name").string();
  out.description = config.string_or("description", "");
  const Config units = config.at("units");
  out.unit = units.string_or("near_memory", "");
  out.decode = read_rules(units, "decode", {});
  out.mixed = read_rules(units, "mixed", out.decode);
  out.head_groups = read_count(units, "head_groups").value_or(1);
  out.expert_groups = read_count(units, "expert_groups");
  out.cache_spaces = read_count(units, "cache_spaces");
  if (const auto conflicts = units.find("bank_conflicts")) {
    out.bank_conflicts = conflicts->number();
    if (!(out.bank_conflicts >= 0 && out.bank_conflicts <= 1)) {
      conflicts->fail(fmt::format("must be from 0 to 1, found {}", out.bank_conflicts));
    }
  }
  if (const auto columns = units.find("copied_columns")) {
    out.copied_columns = columns->number();
    if (!(out.copied_columns >= 0 && out.copied_columns <= 1)) {
      columns->fail(fmt::format("must be from 0 to 1, found {}", out.copied_columns));
    }
  }
  if (const auto assumed = units.find("assumed_bandwidth")) {
    out.assumed_bandwidth = assumed->number();
    if (!(*out.assumed_bandwidth > 0 && *out.assumed_bandwidth <= 1)) {
      assumed->fail(fmt::format("must be above 0 and at most 1, found {}", *out.assumed_bandwidth));
    }
  }
  config.reject_unknown();
  return out;
}

NearMemoryDescription with_changes(const NearMemoryDescription& now, const std::vector<std::string>& changes) {
  if (changes.empty()) {
    return now;
  }
  const auto rules = [](const UnitRules& of) {
    return fmt::format(R"({{"attention": "{}", "experts": "{}", "others": "{}", "feed_forward": {}}})",
                       to_text(of.decode_attention), to_text(of.experts), to_text(of.others),
                       of.feed_forward ? fmt::format("\"{}\"", to_text(*of.feed_forward)) : "null");
  };
  const std::string unit = now.unit.empty() ? "null" : '"' + now.unit + '"';
  const auto count = [](const std::optional<int>& of) { return of ? fmt::format("{}", *of) : std::string("null"); };
  const Config config = Config::parse(
      fmt::format(
          R"({{"name": "changed", "units": {{"near_memory": {}, "decode": {}, "mixed": {}, "head_groups": {}, "expert_groups": {}, "cache_spaces": {}, "bank_conflicts": {}, "copied_columns": {}, "assumed_bandwidth": {}}}}})",
          unit, rules(now.decode), rules(now.mixed), now.head_groups, count(now.expert_groups), count(now.cache_spaces),
          now.bank_conflicts, now.copied_columns,
          now.assumed_bandwidth ? fmt::format("{}", *now.assumed_bandwidth) : "null"),
      "--set");
  NearMemoryDescription out = read_near_memory(with_settings(config, changes));
  out.name = now.name;
  out.description = now.description;
  return out;
}

}  // namespace moesaic
