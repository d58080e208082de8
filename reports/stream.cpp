#include "reports/stream.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/quantity_text.hpp"
#include "reports/json_values.hpp"
#include "reports/names.hpp"
#include "reports/phase_text.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kUnused = 0.0005;  // shares of time below are not listed

std::string whole(std::int64_t count) { return count_text(static_cast<double>(count)); }

std::string pass_text(const StreamReport& report, const TextStyle& style) {
  const StreamPrediction& stream = report.prediction;
  const PhasePrediction& pass = stream.pass;
  const double seconds = pass.seconds.value;
  Table table({{}, {"", Align::right}, {}});
  table.add({"requests that enter, and leave", rate_text(PerSecond{stream.entering}), ""});
  table.add({"tokens", count_text(std::round(stream.prompt_tokens + stream.decoded_tokens)),
             fmt::format("{} of prompts, {} decodes", count_text(std::round(stream.prompt_tokens)),
                         count_text(std::round(stream.decoded_tokens)))});
  table.add({"requests running", count_text(stream.running), fmt::format("bound by {}", to_text(stream.bound))});
  table.add({"their caches", to_text(stream.cache), ""});
  table.add({"time", to_text(pass.seconds),
             fmt::format("90%: {} to {}", to_text(Seconds{seconds * stream.pass_interval.low90}),
                         to_text(Seconds{seconds * stream.pass_interval.high90}))});
  table.add({"limit", to_text(pass.limit.seconds),
             fmt::format("{} of the time; set by {}", percent_text(pass.limit.seconds / pass.seconds),
                         resource_label(pass.limit.resource))});
  return heading("A pass over all layers", style) + table.text(style);
}

std::string throughput_text(const StreamReport& report, const TextStyle& style) {
  const StreamPrediction& stream = report.prediction;
  Table table({{}, {"", Align::right}, {}});
  table.add({"output tokens/s", rate_text(stream.output_tokens), "in the steady state"});
  table.add({"total tokens/s", rate_text(stream.total_tokens), "prompts included"});
  table.add({"a request", to_text(stream.request), "from its first pass to its last token"});
  if (const auto& batch = stream.batch) {
    table.add(
        {fmt::format("batch of {} requests", whole(*report.stream.requests)), to_text(batch->total),
         fmt::format("{} passes, the first and last ones with fewer requests", count_text(std::round(batch->passes)))});
    table.add({"  output tokens/s", rate_text(batch->output_tokens), ""});
  }
  return heading("Throughput", style) + table.text(style);
}

std::string use_text(const PhasePrediction& pass, const TextStyle& style) {
  Table table({{"resource"}, {"a pass", Align::right}});
  for (const ResourceUse& use : pass.resources) {
    if (use.utilisation >= kUnused) {
      table.add({resource_label(use.resource), percent_text(use.utilisation)});
    }
  }
  return heading("Time that each resource is busy at its peak rate", style) + table.text(style);
}

Json pass_json(const StreamPrediction& stream) {
  const PhasePrediction& pass = stream.pass;
  Json waterfall = Json::array(), resources = Json::object();
  for (const WaterfallBar& bar : pass.waterfall) {
    waterfall.push_back(
        {{"id", bar.id}, {"name", bar.name}, {"seconds", bar.seconds.value}, {"resource", bar.resource}});
  }
  for (const ResourceUse& use : pass.resources) {  // both directions of a link have one path: the busier one counts
    resources[use.resource] = std::max(use.utilisation, resources.value(use.resource, 0.0));
  }
  return {
      {"seconds", pass.seconds.value},
      {"p90_s", {pass.seconds.value * stream.pass_interval.low90, pass.seconds.value * stream.pass_interval.high90}},
      {"limit", {{"seconds", pass.limit.seconds.value}, {"resource", pass.limit.resource}}},
      {"entering", stream.entering},
      {"prompt_tokens", stream.prompt_tokens},
      {"decoded_tokens", stream.decoded_tokens},
      {"tokens", stream.prompt_tokens + stream.decoded_tokens},
      {"waterfall", waterfall},
      {"resources", resources}};
}

}  // namespace

std::string stream_text(const StreamReport& report, const TextStyle& style) {
  std::string text =
      heading(fmt::format("{}, placement {}", deployed_line(report.deployed), report.deployed.placement), style)
          .substr(1);
  text += fmt::format("  requests of {} + {} tokens without end; prompts and decodes in the same passes\n  costs: {}\n",
                      whole(report.stream.prompt), whole(report.stream.generated), report.deployed.cost_model);
  return text + throughput_text(report, style) + pass_text(report, style) +
         waterfall_text({"pass", "a pass", &report.prediction.pass}, style) + use_text(report.prediction.pass, style);
}

std::string stream_json(const StreamReport& report) {
  const StreamPrediction& stream = report.prediction;
  const auto total = [](const MemoryFootprint& memory) {
    return Json{{"total_bytes", memory.total().value}, {"capacity_bytes", memory.capacity.value}};
  };
  Json json = deployed_json(report.deployed);
  json.update(
      {{"load", {{"input", report.stream.prompt}, {"output", report.stream.generated}, {"block", report.stream.block}}},
       {"running", stream.running},
       {"bound", to_text(stream.bound)},
       {"cache_bytes", stream.cache.value},
       {"pass", pass_json(stream)},
       {"request_s", stream.request.value},
       {"throughput",
        {{"output_tokens_per_s", stream.output_tokens.value}, {"total_tokens_per_s", stream.total_tokens.value}}},
       {"memory", {{"device", total(stream.memory.device)}, {"host", total(stream.memory.host)}}}});
  if (stream.batch) {
    json["batch"] = {{"requests", *report.stream.requests},
                     {"passes", stream.batch->passes},
                     {"seconds", stream.batch->total.value},
                     {"output_tokens_per_s", stream.batch->output_tokens.value}};
  }
  return document_text(json);
}

}  // namespace moesaic
