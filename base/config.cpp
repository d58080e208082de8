#include "base/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/config_document.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLargestCount = std::int64_t{1} << 40;

const Json& json(const void* value) { return *static_cast<const Json*>(value); }

std::string describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return fmt::format("an array of {}", value.size());
    case Json::value_t::string:
      return fmt::format("the string \"{}\"", printable(value.get_ref<const std::string&>()));
    default:
      return value.dump();
  }
}

std::string joined(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

Config::Config(std::shared_ptr<Document> document, std::shared_ptr<const Place> place, const void* value)
    : document_(std::move(document)), place_(std::move(place)), value_(value) {}

Config Config::child(std::string_view key, const void* value) const {
  document_->open(value);
  return {document_, std::make_shared<const Place>(Place{place_, std::string(key)}), value};
}

Config::Source Config::source() const {
  std::string below;
  for (const Place* place = place_.get(); place != nullptr; place = place->parent.get()) {
    const auto graft = place->parent == nullptr ? document_->grafts.find(place->key) : document_->grafts.end();
    if (graft != document_->grafts.end()) {
      const Source& from = graft->second;
      return {from.origin, below.empty() ? from.path : joined(from.path, below)};
    }
    below = below.empty() ? place->key : joined(place->key, below);
  }
  return {document_->origin, below};
}

const std::string& Config::origin() const {
  const Place* top = place_.get();
  while (top != nullptr && top->parent != nullptr) {
    top = top->parent.get();
  }
  const auto graft = top != nullptr ? document_->grafts.find(top->key) : document_->grafts.end();
  return graft != document_->grafts.end() ? graft->second.origin : document_->origin;
}

std::string Config::path() const {
  std::string result;
  for (const Place* place = place_.get(); place != nullptr; place = place->parent.get()) {
    result = result.empty() ? place->key : joined(place->key, result);
  }
  return result;
}

std::string Config::dump(int indent) const {
  return json(value_).dump(indent, ' ', false, Json::error_handler_t::replace);
}

bool Config::is_object() const { return json(value_).is_object(); }
bool Config::is_array() const { return json(value_).is_array(); }
bool Config::is_string() const { return json(value_).is_string(); }
bool Config::is_number() const { return json(value_).is_number(); }
bool Config::is_boolean() const { return json(value_).is_boolean(); }
bool Config::is_null() const { return json(value_).is_null(); }

void Config::expected(std::string_view what) const {
  fail(fmt::format("expected {}, found {}", what, describe(json(value_))));
}

const void* Config::member(std::string_view key) const {
  if (!is_object()) {
    expected("an object");
  }
  document_->ask(value_, key);
  const auto found = json(value_).find(key);
  return found == json(value_).end() ? nullptr : &*found;
}

bool Config::contains(std::string_view key) const { return member(key) != nullptr; }

bool Config::has(std::string_view key) const {
  const void* value = member(key);
  return value != nullptr && !json(value).is_null();
}

Config Config::at(std::string_view key) const {
  if (const void* value = member(key)) {
    return child(key, value);
  }
  const std::vector<std::string> present = keys();
  const auto nearest = nearest_name(key, present);
  fail(fmt::format("missing key '{}'{}", key,
                   nearest ? fmt::format(" (is '{}' a misspelling of it?)", printable(*nearest)) : ""));
}

std::optional<Config> Config::find(std::string_view key) const {
  const void* value = member(key);
  return value != nullptr && !json(value).is_null() ? std::optional(child(key, value)) : std::nullopt;
}

std::vector<std::string> Config::keys() const {
  if (!is_object()) {
    expected("an object");
  }
  std::vector<std::string> result;
  for (const auto& [key, value] : json(value_).get_ref<const Json::object_t&>()) {
    result.push_back(key);
  }
  return result;
}

std::vector<Config> Config::elements() const {
  if (!is_array()) {
    expected("an array");
  }
  std::vector<Config> result;
  result.reserve(json(value_).size());
  for (const Json& element : json(value_)) {
    result.push_back(child(std::to_string(result.size()), &element));
  }
  return result;
}

std::string Config::string() const {
  if (!is_string()) {
    expected("a string");
  }
  return json(value_).get<std::string>();
}

std::string Config::quantity_text() const {
  if (is_number()) {
    expected("a quantity with its unit, such as \"3.35 TB/s\"");
  }
  return string();
}

bool Config::boolean() const {
  if (!is_boolean()) {
    expected("true or false");
  }
  return json(value_).get<bool>();
}

double Config::number() const {
  if (!is_number()) {
    expected("a number");
  }
  return json(value_).get<double>();
}

std::int64_t Config::integer() const {
  const Json& value = json(value_);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= INT64_MAX) {
    return value.get<std::int64_t>();
  }
  if (value.is_number_integer() && !value.is_number_unsigned()) {
    return value.get<std::int64_t>();
  }
  const double real = value.is_number() ? value.get<double>() : 0.5;
  if (real != std::floor(real)) {
    expected("an integer");
  }
  if (real < -0x1p63 || real >= 0x1p63) {
    fail(fmt::format("the integer {} is out of range", value.dump()));
  }
  return static_cast<std::int64_t>(real);
}

std::int64_t Config::counted(std::int64_t least) const {
  const std::int64_t value = integer();
  if (value < least || value > kLargestCount) {
    expected(fmt::format("an integer from {} to {}", least, kLargestCount));
  }
  return value;
}

std::int64_t Config::positive() const { return counted(1); }
std::int64_t Config::non_negative() const { return counted(0); }

std::int64_t Config::positive_or(std::string_view key, std::int64_t fallback) const {
  const auto value = find(key);
  return value ? value->positive() : fallback;
}
std::int64_t Config::non_negative_or(std::string_view key, std::int64_t fallback) const {
  const auto value = find(key);
  return value ? value->non_negative() : fallback;
}
double Config::number_or(std::string_view key, double fallback) const {
  const auto value = find(key);
  return value ? value->number() : fallback;
}
bool Config::boolean_or(std::string_view key, bool fallback) const {
  const auto value = find(key);
  return value ? value->boolean() : fallback;
}
std::string Config::string_or(std::string_view key, std::string_view fallback) const {
  const auto value = find(key);
  return value ? value->string() : std::string(fallback);
}

void Config::ignore(std::span<const std::string_view> keys) const {
  for (const std::string_view key : keys) {
    document_->ask(value_, key);
  }
}

void Config::reject_unknown() const {
  const Json& value = json(value_);
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (document_->opened(&value[i])) {
        child(std::to_string(i), &value[i]).reject_unknown();
      }
    }
  } else if (value.is_object()) {
    const auto asked = document_->asked(value_);
    for (const auto& [key, item] : value.get_ref<const Json::object_t&>()) {
      if (!asked.contains(key)) {
        const std::vector<std::string> known(asked.begin(), asked.end());
        child(key, &item).fail(fmt::format("unknown key '{}'{}", printable(key), suggest(key, known)));
      }
      if (document_->opened(&item)) {
        child(key, &item).reject_unknown();
      }
    }
  }
}

void Config::fail(std::string_view message) const {
  const auto [file, where] = source();
  throw UserError(fmt::format("{}: {}{}{}", printable(file, 400), printable(where, 300), where.empty() ? "" : ": ",
                              printable(message, 2000)));
}

}  // namespace moesaic
