// Routing from what a user types: a name with a parameter, or a file.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <filesystem>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/routing.hpp"

namespace moesaic {
namespace {

Routing parse_zipf(std::string_view text, std::int64_t experts, std::int64_t top_k) {
  constexpr std::string_view kPrefix = "zipf:";
  double exponent = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result parsed = text.starts_with(kPrefix)
                                            ? std::from_chars(text.data() + kPrefix.size(), end, exponent)
                                            : std::from_chars_result{text.data(), std::errc::invalid_argument};
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    throw UserError(fmt::format("routing '{}': needs an exponent, like zipf:1.2", printable(text)));
  }
  return Routing::zipf(experts, top_k, exponent);
}

void check_equal(const Config& config, std::string_view what, std::int64_t found, std::int64_t expected) {
  if (found != expected) {
    config.fail(fmt::format("is for {} {}; the layer has {}", found, what, expected));
  }
}

Routing read_histogram(const Config& list, std::int64_t experts, std::int64_t top_k) {
  std::vector<double> popularity;
  for (const Config& element : list.elements()) {
    popularity.push_back(element.number());
  }
  check_equal(list, "experts", static_cast<std::int64_t>(popularity.size()), experts);
  return Routing::histogram(top_k, std::move(popularity));
}

Routing read_trace(const Config& list, std::int64_t experts, std::int64_t top_k) {
  std::vector<std::int32_t> chosen;
  for (const Config& element : list.elements()) {
    const std::int64_t expert = element.integer();
    if (expert < 0 || expert >= experts) {
      element.fail(fmt::format("is expert {}; allowed: 0 to {}", expert, experts - 1));
    }
    chosen.push_back(static_cast<std::int32_t>(expert));
  }
  return Routing::trace(experts, top_k, chosen);
}

Routing read_file(const std::filesystem::path& file, std::int64_t experts, std::int64_t top_k) {
  static constexpr std::array<std::string_view, 1> kNotes = {"source"};
  const Config config = Config::load(file);
  config.ignore(kNotes);
  check_equal(config.at("top_k"), "chosen experts a token", config.at("top_k").positive(), top_k);
  const auto histogram = config.find("histogram");
  const auto trace = config.find("trace");
  if (const auto stated = config.find("experts")) {
    check_equal(*stated, "experts", stated->positive(), experts);
  }
  config.reject_unknown();
  if (histogram.has_value() == trace.has_value()) {
    config.fail("needs either 'histogram' (popularity per expert) or 'trace' (chosen experts of tokens)");
  }
  const Config& list = histogram ? *histogram : *trace;
  try {
    return histogram ? read_histogram(list, experts, top_k) : read_trace(list, experts, top_k);
  } catch (const UserError& error) {
    if (std::string_view(error.what()).starts_with(config.origin())) {
      throw;
    }
    list.fail(error.what());
  }
}

}  // namespace

Routing Routing::parse(std::string_view text, std::int64_t experts, std::int64_t top_k) {
  if (text == "uniform") {
    return uniform(experts, top_k);
  }
  if (text == "even") {
    return even(experts, top_k);
  }
  const std::filesystem::path file(text);
  if (file.extension() == ".json" || text.find('/') != std::string_view::npos) {
    return read_file(file, experts, top_k);
  }
  const std::string_view name = text.substr(0, text.find(':'));
  if (name == "zipf") {
    return parse_zipf(text, experts, top_k);
  }
  static const std::vector<std::string> kNames = {"uniform", "even", "zipf"};
  const auto meant = nearest_name(name, kNames);
  throw UserError(fmt::format("unknown routing '{}'{}; allowed: uniform, even, zipf:EXPONENT, FILE.json",
                              printable(text), meant ? fmt::format(" (did you mean '{}'?)", *meant) : ""));
}

}  // namespace moesaic
