// The HTML page of a stream of requests.
#include <fmt/format.h>

#include <cmath>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/stream.hpp"

namespace moesaic {
namespace {

constexpr double kIdleInStream = 0.0005;  // shares of time below are not listed

std::string stream_metrics(const StreamReport& report) {
  const StreamPrediction& stream = report.prediction;
  std::string html = "<div class=\"metrics\">\n";
  html += html_metric("output tokens/s", rate_text(stream.output_tokens), "in the steady state");
  html += html_metric("total tokens/s", rate_text(stream.total_tokens), "prompts included");
  html +=
      html_metric("a pass", to_text(stream.pass.seconds),
                  fmt::format("{} of it is its limit", percent_text(stream.pass.limit.seconds / stream.pass.seconds)));
  html += html_metric("a request", to_text(stream.request), "from its first pass to its last token");
  if (const auto& batch = stream.batch) {
    html += html_metric(fmt::format("{} requests", count_text(static_cast<double>(*report.stream.requests))),
                        to_text(batch->total), rate_text(batch->output_tokens) + " output tokens/s");
  }
  return html + "</div>\n";
}

std::string pass_table(const StreamPrediction& stream) {
  HtmlTable table{.caption = "A pass over all layers", .heads = {"", "", ""}, .rows = {}, .first_number = 1};
  const auto add = [&](std::string_view name, std::string_view value, std::string_view remark) {
    table.rows.push_back({html_text(name), html_text(value), html_text(remark)});
  };
  add("requests that enter, and leave", rate_text(PerSecond{stream.entering}), "");
  add("tokens of prompts", count_text(std::round(stream.prompt_tokens)), "");
  add("decodes", count_text(std::round(stream.decoded_tokens)), "");
  add("requests running", count_text(stream.running), fmt::format("bound by {}", to_text(stream.bound)));
  add("their caches", to_text(stream.cache), "");
  return html_table(table);
}

std::string waterfall_table(const PhasePrediction& pass) {
  HtmlTable table{.caption = "Waterfall of a pass: from limit to prediction",
                  .heads = {"", "resource", "time", "share"},
                  .rows = {},
                  .first_number = 2};
  const auto add = [&](const std::string& name, const std::string& resource, Seconds seconds) {
    const double share = seconds / pass.seconds;
    table.rows.push_back(
        {html_text(name), html_text(resource), html_text(to_text(seconds)), html_share(percent_text(share), share)});
  };
  add("limit", resource_label(pass.limit.resource), pass.limit.seconds);
  for (const WaterfallBar& bar : pass.waterfall) {
    if (bar.seconds > Seconds{}) {
      add(bar.name, resource_name(bar.resource), bar.seconds);
    }
  }
  add("prediction", "", pass.seconds);
  return html_table(table);
}

std::string use_table(const PhasePrediction& pass) {
  HtmlTable table{.caption = "Time that each resource is busy at its peak rate",
                  .heads = {"resource", "a pass"},
                  .rows = {},
                  .first_number = 1};
  for (const ResourceUse& use : pass.resources) {
    if (use.utilisation >= kIdleInStream) {
      table.rows.push_back(
          {html_text(resource_label(use.resource)), html_share(percent_text(use.utilisation), use.utilisation)});
    }
  }
  return html_table(table);
}

}  // namespace

std::string stream_page(const StreamReport& report, const std::string& command) {
  Prediction memory;
  memory.memory = report.prediction.memory;
  const std::string main = "<section class=\"single\">\n" + stream_metrics(report) + pass_table(report.prediction) +
                           waterfall_table(report.prediction.pass) + use_table(report.prediction.pass) +
                           "<h3>Memory</h3>\n" + memory_table_html(memory) + "</section>\n";
  return page_document(
      {.title = fmt::format("{}, placement {}: a stream of {} + {} tokens", deployed_line(report.deployed),
                            report.deployed.placement, count_text(static_cast<double>(report.stream.prompt)),
                            count_text(static_cast<double>(report.stream.generated))),
       .command = command,
       .navigation = "",
       .main = main,
       .footer = "Prompts and decodes go through all layers in the same passes. Times are predictions, not "
                 "measurements; costs: " +
                 report.deployed.cost_model + ".",
       .data = "[]"});
}

}  // namespace moesaic
