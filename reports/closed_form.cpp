#include "reports/closed_form.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"

namespace moesaic {

namespace {

using Json = nlohmann::ordered_json;

}  // namespace

void ClosedFormReport::keep(Result result) {
  if (!std::isfinite(result.value)) {
    throw UserError(fmt::format("{}: no finite {} ({}) comes of these figures", form, result.what, result.key));
  }
  results.push_back(std::move(result));
}

void ClosedFormReport::add(const std::string& key, const std::string& what, double value) {
  keep({key, what, value, value == std::round(value) ? count_text(value) : fmt::format("{:.5g}", value)});
}
void ClosedFormReport::add(const std::string& key, const std::string& what, Seconds value) {
  keep({key, what, value.value, to_text(value)});
}
void ClosedFormReport::add(const std::string& key, const std::string& what, Bytes value) {
  keep({key, what, value.value, to_text(value)});
}
void ClosedFormReport::add(const std::string& key, const std::string& what, BytesPerSecond value) {
  keep({key, what, value.value, to_text(value)});
}
void ClosedFormReport::add(const std::string& key, const std::string& what, FlopsPerSecond value) {
  keep({key, what, value.value, to_text(value)});
}
void ClosedFormReport::add(const std::string& key, const std::string& what, FlopsPerByte value) {
  keep({key, what, value.value, to_text(value)});
}
void ClosedFormReport::add(const std::string& key, const std::string& what, PerSecond tokens) {
  keep({key, what, tokens.value, fmt::format("{:.5g} tokens/s", tokens.value)});
}
void ClosedFormReport::add_share(const std::string& key, const std::string& what, double share) {
  keep({key, what, share, fmt::format("{:.2f}%", 100 * share)});
}
void ClosedFormReport::add_truth(const std::string& key, const std::string& what, bool value) {
  keep({key, what, value ? 1.0 : 0.0, value ? "yes" : "no"});
}

std::string closed_form_text(const ClosedFormReport& report, const TextStyle& style) {
  Table table({{"", Align::left}, {"", Align::right}});
  for (const ClosedFormReport::Result& result : report.results) {
    table.add({result.what, result.text});
  }
  const std::string subject = report.subject.empty() ? "" : ": " + report.subject;
  return fmt::format("  {}{}\n\n", report.form, subject) + table.text(style);
}

std::string closed_form_json(const ClosedFormReport& report) {
  Json results = Json::object();
  for (const ClosedFormReport::Result& result : report.results) {
    results[result.key] = result.value;
  }
  const Json json = {{"version", "1"}, {"form", report.form}, {"results", results}};
  return json.dump(2) + "\n";
}

}  // namespace moesaic
