// Any bytes are either read as a configuration or refused with UserError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/config.hpp"
#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"

namespace {

using moesaic::Config;

// Runs one call that may refuse its input; the refusal must be one line.
template <class Call>
void attempt(Call&& call) {
  try {
    static_cast<void>(call());
  } catch (const moesaic::UserError& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != message.npos) {
      std::abort();
    }
  }
}

void try_text(const std::string& text) {
  attempt([&] { return moesaic::parse_quantity<moesaic::Seconds>(text); });
  attempt([&] { return moesaic::parse_quantity<moesaic::Bytes>(text); });
  attempt([&] { return moesaic::parse_quantity<moesaic::BytesPerSecond>(text); });
  attempt([&] { return moesaic::parse_quantity<moesaic::FlopsPerSecond>(text); });
  attempt([&] { return moesaic::parse_quantity<moesaic::Watts>(text); });
  attempt([&] { return moesaic::parse_quantity<moesaic::DollarsPerSecond>(text); });
  attempt([&] { return moesaic::parse_dtype(text); });
  attempt([&] {
    const auto type = moesaic::parse_storage_type(text);
    if (moesaic::parse_storage_type(moesaic::to_text(type)) != type) {
      std::abort();
    }
    return 0;
  });
}

void walk(const Config& config) {
  attempt([&] { return config.string(); });
  attempt([&] { return config.boolean(); });
  attempt([&] { return config.number(); });
  attempt([&] { return config.integer(); });
  attempt([&] { return config.positive(); });
  attempt([&] { return config.non_negative(); });
  attempt([&] { return config.quantity<moesaic::Bytes>(); });
  attempt([&] { return config.has("bandwidth"); });
  attempt([&] { return config.at("bandwidth"); });
  attempt([&] { return config.reject_unknown(), 0; });
  if (config.is_string()) {
    try_text(config.string());
  }
  if (config.is_object()) {
    for (const std::string& key : config.keys()) {
      walk(config.at(key));
    }
  }
  if (config.is_array()) {
    for (const Config& element : config.elements()) {
      walk(element);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try_text(text);
  attempt([&] {
    const Config root = Config::parse(text, "fuzz.json");
    walk(root);
    root.reject_unknown();  // everything was read
    if (Config::parse(root.dump(), "again").dump() != root.dump()) {
      std::abort();
    }
    attempt([&] { return root.set(text.substr(0, 20), text); });
    if (root.is_object() && !root.keys().empty()) {
      attempt([&] { return root.set(root.keys().front(), text).with_member("other", root).dump(); });
    }
    return 0;
  });
  return 0;
}
