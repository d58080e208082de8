#include "reports/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostSpans = 20000;
constexpr std::size_t kPipelineColumns = 96;
constexpr int kMostRows = 32;

std::optional<Seconds> formula_of(const PipelineProblem& problem) {
  const ChunkTimes& first = problem.times.front();
  const bool equal = std::all_of(problem.times.begin(), problem.times.end(), [&](const ChunkTimes& times) {
    return times.forward == first.forward && times.backward_input == first.backward_input &&
           times.backward_weights == first.backward_weights && times.both_ways == first.both_ways;
  });
  if (!equal || problem.transfer > Seconds{}) {
    return std::nullopt;
  }
  // Weight gradients fill all pauses only of as many micro-batches as stages, and no more than all of them.
  if (problem.schedule == PipelineSchedule::zero_bubble && problem.micro_batches < problem.stages) {
    return std::nullopt;
  }
  const Seconds bubble = pipeline_bubble(problem.schedule, problem.stages, first);
  return bubble < Seconds{} ? std::nullopt : std::optional(bubble);
}

char letter(PipelineSpan::What what) {
  switch (what) {
    case PipelineSpan::What::forward:
      return 'F';
    case PipelineSpan::What::backward:
      return 'B';
    case PipelineSpan::What::backward_weights:
      return 'W';
    case PipelineSpan::What::both_ways:
      return 'X';
  }
  return '?';
}

/// A character for each part of the step: what the stage does at its middle.
std::string picture(const PipelineReport& report) {
  std::vector<std::string> rows(static_cast<std::size_t>(report.problem.stages), std::string(kPipelineColumns, '.'));
  const double step = report.times.total.value / static_cast<double>(kPipelineColumns);
  for (const PipelineSpan& span : report.times.spans) {
    const auto first = static_cast<std::size_t>(std::max(0.0, span.start.value / step + 0.5));
    const auto last = static_cast<std::size_t>(std::max(0.0, span.end.value / step + 0.5));
    for (std::size_t at = first; at < std::min(last, kPipelineColumns); ++at) {
      rows[static_cast<std::size_t>(span.stage)][at] = letter(span.what);
    }
  }
  std::string text;
  for (std::size_t stage = 0; stage < rows.size(); ++stage) {
    text += fmt::format("  {:>3} {}\n", stage, rows[stage]);
  }
  return text;
}

}  // namespace

PipelineReport report_pipeline(const PipelineProblem& problem, bool pictures) {
  const bool few = 2 * problem.micro_batches <= kMostSpans / problem.stages / problem.chunks;
  PipelineReport report{
      .problem = problem, .times = run_pipeline(problem, pictures && few), .ideal = {}, .formula = formula_of(problem)};
  report.ideal = *std::max_element(report.times.busy.begin(), report.times.busy.end());
  return report;
}

std::string pipeline_text(const PipelineReport& report, const TextStyle& style) {
  const PipelineProblem& problem = report.problem;
  const PipelineTimes& times = report.times;
  std::string text =
      heading(fmt::format("{}, {} stages{}, {} micro-batches: {}", name(problem.schedule), problem.stages,
                          problem.chunks > 1 ? fmt::format(" of {} runs", problem.chunks) : "", problem.micro_batches,
                          to_text(times.total)),
              style)
          .substr(1);
  Table facts({{"", Align::left}, {"", Align::right}, {"", Align::left}});
  facts.add({"busiest stage alone", to_text(report.ideal), ""});
  facts.add({"bubble", to_text(report.bubble()), percent_text(report.bubble_share()) + " of the step"});
  if (report.formula) {
    facts.add({"bubble by its formula", to_text(*report.formula), ""});
  }
  const auto [fewest, most] = std::minmax_element(times.in_flight.begin(), times.in_flight.end());
  facts.add({"micro-batches held", count_text(*most),
             *fewest < *most ? fmt::format("at most at once, on the last stage {}", count_text(times.in_flight.back()))
                             : "at most at once"});
  text += facts.text(style);
  if (!times.spans.empty() && problem.stages <= kMostRows && times.total > Seconds{}) {
    text += "\n  stages in time: F forward, B backward, W weight gradients, X both ways at once\n" + picture(report);
  }
  return text;
}

std::string pipeline_json(const PipelineReport& report) {
  Json busy = Json::array();
  for (const Seconds& time : report.times.busy) {
    busy.push_back(time.value);
  }
  Json json = {{"version", "1"},
               {"schedule", name(report.problem.schedule)},
               {"stages", report.problem.stages},
               {"chunks", report.problem.chunks},
               {"micro_batches", report.problem.micro_batches},
               {"seconds", report.times.total.value},
               {"ideal_s", report.ideal.value},
               {"bubble_s", report.bubble().value},
               {"bubble_share", report.bubble_share()}};
  if (report.formula) {
    json["formula_bubble_s"] = report.formula->value;
  }
  json["busy_s"] = busy;
  json["in_flight"] = report.times.in_flight;
  return json.dump(2) + "\n";
}

}  // namespace moesaic
