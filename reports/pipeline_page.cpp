#include <fmt/format.h>

#include <algorithm>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/pipeline.hpp"

namespace moesaic {
namespace {

constexpr double kWidth = 1200, kRow = 30, kLeft = 70, kTop = 24;
constexpr double kLabelled = 22;  // narrower boxes have no room for a number
constexpr double kLegend = 26, kLegendEntry = 230;
constexpr std::size_t kTicks = 6;

std::string what_text(PipelineSpan::What what) {
  switch (what) {
    case PipelineSpan::What::forward:
      return "forward";
    case PipelineSpan::What::backward:
      return "backward";
    case PipelineSpan::What::backward_weights:
      return "weight gradients";
    case PipelineSpan::What::both_ways:
      return "forward and backward at once";
  }
  return "";
}

std::string stage_table(const PipelineReport& report) {
  HtmlTable table{.caption = "Stages",
                  .heads = {"stage", "busy", "bubble", "share of the step", "micro-batches held"},
                  .rows = {},
                  .first_number = 1};
  for (std::size_t stage = 0; stage < report.times.busy.size(); ++stage) {
    const Seconds pause = report.times.total - report.times.busy[stage];
    const double share = report.times.total > Seconds{} ? pause / report.times.total : 0;
    table.rows.push_back({std::to_string(stage), html_text(to_text(report.times.busy[stage])),
                          html_text(to_text(pause)), html_share(percent_text(share), share),
                          html_text(count_text(report.times.in_flight[stage]))});
  }
  return html_table(table);
}

/// Below the stages: the colours that appear.
void add_legend(const PipelineReport& report, Scene& scene) {
  using enum PipelineSpan::What;
  double x = kLeft;
  const double y = scene.height + kLegend / 2 - 5;
  for (const PipelineSpan::What what : {forward, backward, backward_weights, both_ways}) {
    const auto& spans = report.times.spans;
    if (std::any_of(spans.begin(), spans.end(), [&](const PipelineSpan& span) { return span.what == what; })) {
      scene.items.push_back({.x = x + 7,
                             .y = y,
                             .width = 14,
                             .height = 14,
                             .colour = static_cast<int>(what),
                             .label = "",
                             .title = what_text(what)});
      scene.labels.push_back({x + 20, y + 4, what_text(what)});
      x += kLegendEntry;
    }
  }
  scene.height += kLegend;
}

}  // namespace

Scene pipeline_scene(const PipelineReport& report) {
  Scene scene;
  scene.width = kWidth;
  scene.height = kTop + kRow * report.problem.stages + 10;
  const double scale = (kWidth - kLeft - 10) / report.times.total.value;
  for (int stage = 0; stage < report.problem.stages; ++stage) {
    scene.labels.push_back({4, kTop + kRow * (stage + 0.6), fmt::format("stage {}", stage)});
  }
  for (std::size_t tick = 0; tick <= kTicks; ++tick) {
    const double part = static_cast<double>(tick) / kTicks;
    const double inside = tick == kTicks ? -30 : 0;
    scene.labels.push_back(
        {kLeft + part * (kWidth - kLeft - 10) + inside, 14, to_text(part * report.times.total), true});
  }
  for (const PipelineSpan& span : report.times.spans) {
    const double width = (span.end - span.start).value * scale;
    scene.items.push_back(
        {.x = kLeft + span.start.value * scale + width / 2,
         .y = kTop + kRow * (span.stage + 0.5),
         .width = std::max(width, 0.1),
         .height = kRow - 4,
         .colour = static_cast<int>(span.what),
         .label = width > kLabelled ? std::to_string(span.micro_batch) : "",
         .title = fmt::format("{} of micro-batch {}{}: {} to {}", what_text(span.what), span.micro_batch,
                              span.chunk > 0 ? fmt::format(", run {}", span.chunk) : "", to_text(span.start),
                              to_text(span.end))});
  }
  add_legend(report, scene);
  return scene;
}

std::string pipeline_page(const PipelineReport& report, const std::string& command) {
  std::string main = "<section class=\"single\">\n<div class=\"metrics\">\n";
  main += html_metric("step", to_text(report.times.total), "");
  main += html_metric("busiest stage alone", to_text(report.ideal), "no schedule of these stages is faster");
  main += html_metric("bubble", to_text(report.bubble()), percent_text(report.bubble_share()) + " of the step");
  if (report.formula) {
    main += html_metric("bubble by its formula", to_text(*report.formula), "equal stages, no transfers");
  }
  main += "</div>\n";
  if (!report.times.spans.empty() && report.times.total > Seconds{}) {
    main += fmt::format(
        "<div class=\"figures\">\n<figure class=\"wide\"><figcaption><h3>Stages in time</h3><p class=\"reading\">One "
        "row for each stage; numbers are micro-batches; point at a box for its "
        "times.</p></figcaption>\n{}</figure>\n</div>\n",
        scene_svg(pipeline_scene(report), "Stages in time"));
  }
  return page_document({.title = fmt::format("{}: {} stages, {} micro-batches", name(report.problem.schedule),
                                             report.problem.stages, report.problem.micro_batches),
                        .command = command,
                        .navigation = "",
                        .main = main + stage_table(report) + "</section>\n",
                        .footer = "The bubble of a stage is the step less its work.",
                        .data = "[]"});
}

}  // namespace moesaic
