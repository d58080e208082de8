// The charts of one section: which there are, what each shows in words, and how to read it.
#include <fmt/format.h>

#include <algorithm>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/summary.hpp"

namespace moesaic {
namespace {

constexpr int kBarRow = 42;   // pixels of one horizontal bar with its label
constexpr int kBarAxis = 60;  // pixels of an axis and its title

Figure roofline(const PageSection& section) {
  const auto largest = [](const std::vector<OperatorRow>& rows) {
    const auto at = std::max_element(rows.begin(), rows.end(), [](const OperatorRow& a, const OperatorRow& b) {
      return a.time * a.count < b.time * b.count;
    });
    return at == rows.end() ? std::string("none") : fmt::format("{} (bound by {})", at->operator_, at->bound_by);
  };
  return {.kind = "roofline",
          .phase = "",
          .title = "Roofline",
          .finding = fmt::format("Takes longest: {} in decode, {} in prefill.", largest(section.decode_operators),
                                 largest(section.prefill_operators)),
          .reading =
              "Each mark is an operator; right means more arithmetic per byte, up means faster, and its size is its "
              "share of the step. Under the slope of a roof memory sets the pace, under its flat part arithmetic "
              "does; the distance up to the roof is what the kernel leaves unused.",
          .wide = true,
          .height = 480,
          .table = ""};
}

Figure waterfall(const NamedPhase& named, const std::string& id) {
  const PhasePrediction& phase = *named.phase;
  const auto largest =
      std::max_element(phase.waterfall.begin(), phase.waterfall.end(),
                       [](const WaterfallBar& a, const WaterfallBar& b) { return a.seconds < b.seconds; });
  std::string finding = fmt::format("Predicted {}: {:.2f} times the limit of {} that {} sets.", to_text(phase.seconds),
                                    phase.seconds / phase.limit.seconds, to_text(phase.limit.seconds),
                                    resource_name(phase.limit.resource));
  if (largest != phase.waterfall.end() && largest->seconds > Seconds{0}) {
    finding += fmt::format(" Most of the gap: {}.", largest->name);
  }
  const std::size_t bars = shown_bars(phase).size();
  return {.kind = "waterfall",
          .phase = id,
          .title = "Waterfall of " + named.title,
          .finding = finding,
          .reading =
              "The top bar is the time that no schedule beats. Each bar below drops one idealisation and starts "
              "where the one above ends, so that together they reach the prediction.",
          .wide = false,
          .height = kBarAxis + kBarRow * (static_cast<int>(bars) + 2),
          .table = ""};
}

Figure memory(const Prediction& prediction) {
  const MemoryFootprint& device = prediction.memory.device;
  const MemoryFootprint& host = prediction.memory.host;
  const auto& classes = memory_classes();
  const auto largest =
      std::max_element(classes.begin(), classes.end(),
                       [&](const MemoryClass& a, const MemoryClass& b) { return device.*a.bytes < device.*b.bytes; });
  return {.kind = "memory",
          .phase = "",
          .title = "Memory",
          .finding = fmt::format("{} of {} per device; most of it is {}.", to_text(device.total()),
                                 to_text(device.capacity), largest->name),
          .reading = "What the fullest device holds, as a share of its capacity; beyond 100% it does not fit.",
          .wide = false,
          .height = 130 + (host.total() > Bytes{0} ? 60 : 0) + (prediction.memory.apart.capacity > Bytes{0} ? 60 : 0),
          .table = memory_table_html(prediction)};
}

Figure elasticity(const std::vector<Elasticity>& levers, const Prediction& prediction) {
  const Elasticity& most = levers[0];
  return {.kind = "elasticity",
          .phase = "",
          .title = "What would raise throughput",
          .finding = fmt::format("10% {} {} buys {}.", is_latency(most.figure) ? "less" : "more",
                                 resource_name(most.figure), percent_text(gain_of_ten_percent(most))),
          .reading =
              "Throughput gained from 10% more of one hardware figure (10% less of a latency), all else equal. "
              "Figures that gain nothing are left out.",
          .wide = false,
          .height = kBarAxis + kBarRow * static_cast<int>(levers.size()),
          .table = resource_table_html(prediction)};
}

Figure throughput(const PageSection& section) {
  const auto best =
      std::max_element(section.sweep.begin(), section.sweep.end(), [](const SweepPoint& a, const SweepPoint& b) {
        return (a.fits ? a.output_tokens.value : 0) < (b.fits ? b.output_tokens.value : 0);
      });
  return {.kind = "throughput",
          .phase = "",
          .title = "Throughput against batch",
          .finding = best->fits ? fmt::format("Best of the sweep: {} output tokens/s at batch {}.",
                                              rate_text(best->output_tokens), count_text(best->batch))
                                : "No batch of the sweep fits.",
          .reading =
              "Solid: prediction; dashed: limit; the vertical line is the batch asked for. Crosses: the batch does "
              "not fit at once, so its requests wait in turns.",
          .wide = false,
          .table = ""};
}

Figure latency(const Prediction& prediction) {
  return {.kind = "latency",
          .phase = "",
          .title = "Latency against batch",
          .finding = runs(prediction) ? fmt::format("At batch {}: time to first token {}, time per output token {}.",
                                                    count_text(prediction.running_batch), to_text(prediction.ttft),
                                                    to_text(prediction.tpot))
                                      : "Time to first token and time per output token over the batch.",
          .reading =
              "Solid: prediction; dashed: limit. Read the largest batch that meets a latency target, then its "
              "throughput in the chart before.",
          .wide = false,
          .table = ""};
}

}  // namespace

std::string figure_html(const Figure& figure, const std::string& section) {
  return fmt::format(
      "<figure class=\"{0}\">\n<figcaption><h3>{1}</h3><p class=\"finding\">{2}</p><p class=\"reading\"><span>How to "
      "read this:</span> {3}</p></figcaption>\n<div class=\"plot\" style=\"height:{4}px\"><canvas data-chart=\"{5}\" "
      "data-phase=\"{6}\" data-section=\"{7}\" role=\"img\" aria-label=\"{1}: {2}\"></canvas></div>\n{8}</figure>\n",
      figure.wide ? "wide" : "", html_text(figure.title), html_text(figure.finding), html_text(figure.reading),
      figure.height, figure.kind, figure.phase, section, figure.table);
}

std::string charts_html(const PageSection& section, std::size_t index) {
  const Prediction& prediction = section.prediction;
  std::vector<Figure> figures;
  if (runs(prediction)) {
    if (!section.decode_operators.empty() || !section.prefill_operators.empty()) {
      figures.push_back(roofline(section));
    }
    for (const NamedPhase& phase : phases(prediction)) {
      if (phase.phase->seconds > Seconds{0}) {
        figures.push_back(waterfall(phase, phase.phase == &prediction.decode ? "decode" : "prefill"));
      }
    }
  }
  if (!section.sweep.empty()) {
    figures.push_back(throughput(section));
    figures.push_back(latency(prediction));
  }
  figures.push_back(memory(prediction));
  if (const auto levers = strongest_elasticity(prediction); runs(prediction) && !levers.empty()) {
    figures.push_back(elasticity(levers, prediction));
  }
  std::string html;
  for (const Figure& figure : figures) {
    html += figure_html(figure, std::to_string(index));
  }
  return html;
}

}  // namespace moesaic
