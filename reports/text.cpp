// One prediction as tables for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/phase_text.hpp"
#include "reports/report.hpp"
#include "reports/summary.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

constexpr double kNoGain = 0.0005;  // gains below 0.05% are not listed one by one

std::string question_text(const Prediction& prediction, const TextStyle& style) {
  Table table({{}, {}});
  for (const Fact& fact : question(prediction)) {
    table.add({fact.name, fact.value});
  }
  return heading("Asked", style) + table.text(style);
}

std::string performance_text(const Prediction& prediction, const TextStyle& style) {
  Table table({{}, {"", Align::right}, {}});
  for (const Metric& metric : metrics(prediction)) {
    table.add({metric.name, metric.text, paint(metric.remark, Paint::dim, style)});
  }
  return heading("Performance", style) + table.text(style);
}

std::string limits_text(const Prediction& prediction, const TextStyle& style) {
  Table table({{"phase"},
               {"predicted", Align::right},
               {"limit", Align::right},
               {"speed of limit", Align::right},
               {"the limit is set by"}});
  for (const NamedPhase& phase : phases(prediction)) {
    const LimitPrediction& limit = phase.phase->limit;
    table.add({phase.name, to_text(phase.phase->seconds), to_text(limit.seconds),
               percent_text(limit.seconds / phase.phase->seconds), resource_label(limit.resource)});
  }
  return heading("Limit that no schedule beats, for prefill of the batch and for decoding one token of every request",
                 style) +
         table.text(style);
}

std::string utilisation_text(const Prediction& prediction, const TextStyle& style) {
  Table table({{"resource"}, {"decode", Align::right}, {"prefill", Align::right}});
  for (const SharedUse& use : utilisation(prediction)) {
    table.add({resource_label(use.resource), percent_text(use.decode), percent_text(use.prefill)});
  }
  return table.empty() ? "" : heading("Time that each resource is busy at its peak rate", style) + table.text(style);
}

std::string elasticity_text(const Prediction& prediction, const TextStyle& style) {
  Table table({{}, {"", Align::right}, {}});
  const std::vector<Elasticity> all = sorted_elasticity(prediction);
  int without = 0;
  double most = 0;
  for (const Elasticity& elasticity : all) {
    most = std::max(most, gain_of_ten_percent(elasticity));
  }
  for (const Elasticity& elasticity : all) {
    const double gain = gain_of_ten_percent(elasticity);
    if (std::abs(gain) < kNoGain) {
      ++without;
      continue;
    }
    table.add({fmt::format("10% {} {} buys", is_latency(elasticity.figure) ? "less" : "more",
                           resource_label(elasticity.figure)),
               percent_text(gain), paint(bar(0, most > 0 ? gain / most : 0, kFullBar / 2, style), Paint::good, style)});
  }
  if (without > 0) {
    table.add({fmt::format("each of {} other figures buys", without), "< 0.1%"});
  }
  return table.empty() ? "" : heading("What would raise throughput", style) + table.text(style);
}

std::string memory_text(const Prediction& prediction, const TextStyle& style) {
  const MemoryFootprint& device = prediction.memory.device;
  const MemoryFootprint& host = prediction.memory.host;
  const MemoryFootprint& storage = prediction.memory.storage;
  const MemoryFootprint& apart = prediction.memory.apart;
  const bool with_host = host.total() > Bytes{0}, with_storage = storage.total() > Bytes{0};
  const bool with_apart = apart.capacity > Bytes{0};
  const double scale = std::max(device.total(), device.capacity).value;
  std::vector<Column> columns{{""}, {"per device", Align::right}, {"share", Align::right}, {}};
  if (with_apart) {
    columns.push_back({"near memory", Align::right});
  }
  if (with_host) {
    columns.push_back({"host", Align::right});
  }
  if (with_storage) {
    columns.push_back({"storage", Align::right});
  }
  Table table(std::move(columns));
  const auto add = [&](const std::string& name, Bytes bytes, Bytes near, Bytes on_host, Bytes stored, double from,
                       Paint colour) {
    std::vector<std::string> row{
        name, bytes > Bytes{0} ? to_text(bytes) : "", percent_text(bytes / device.capacity),
        paint(bar(from / scale, (from + bytes.value) / scale, kFullBar, style), colour, style)};
    if (with_apart) {
      row.push_back(near > Bytes{0} ? to_text(near) : "");
    }
    if (with_host) {
      row.push_back(on_host > Bytes{0} ? to_text(on_host) : "");
    }
    if (with_storage) {
      row.push_back(stored > Bytes{0} ? to_text(stored) : "");
    }
    table.add(std::move(row));
  };
  double at = 0;
  for (const MemoryClass& kind : memory_classes()) {
    const Bytes bytes = device.*kind.bytes;
    const Bytes on_host = host.*kind.bytes;
    const Bytes stored = storage.*kind.bytes;
    const Bytes near = apart.*kind.bytes;
    if (bytes > Bytes{0} || near > Bytes{0} || on_host > Bytes{0} || stored > Bytes{0}) {
      add(kind.name, bytes, near, on_host, stored, at, Paint::limit);
      at += bytes.value;
    }
  }
  add("total", device.total(), apart.total(), host.total(), storage.total(), 0,
      device.fits() ? Paint::good : Paint::bad);
  add("capacity", device.capacity, apart.capacity, host.capacity, storage.capacity, 0, Paint::none);
  return heading("Memory", style) + table.text(style) +
         fmt::format("  one token's KV cache, over all devices: {}\n", to_text(prediction.memory.kv_per_token));
}

std::string work_energy_text(const Prediction& prediction, const TextStyle& style) {
  Table table({{""}, {"memory", Align::right}, {"arithmetic", Align::right}, {"share", Align::right}, {}});
  double at = 0;
  for (const EnergyPart& part : energy_parts(prediction)) {
    table.add(
        {part.name, part.memory, part.arithmetic, percent_text(part.share), bar(at, at + part.share, kFullBar, style)});
    at += part.share;
  }
  return table.empty() ? ""
                       : heading("Energy of the work of one output token: moving and computing alone", style) +
                             table.text(style) + fmt::format("  in all: {}\n", to_text(prediction.work_energy.total()));
}

}  // namespace

std::string prediction_text(const Prediction& prediction, const TextStyle& style) {
  std::string text = paint(verdict_text(prediction), prediction.fits ? Paint::good : Paint::bad, style) + '\n';
  if (const std::string note = verdict_note(prediction); !note.empty()) {
    text += note + '\n';
  }
  text += question_text(prediction, style);
  if (runs(prediction)) {
    text += performance_text(prediction, style) + limits_text(prediction, style);
    for (const NamedPhase& phase : phases(prediction)) {
      text += waterfall_text(phase, style);
    }
    text +=
        utilisation_text(prediction, style) + elasticity_text(prediction, style) + work_energy_text(prediction, style);
  }
  return text + memory_text(prediction, style);
}

}  // namespace moesaic
