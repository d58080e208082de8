#include <fmt/format.h>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/offload.hpp"
#include "reports/search.hpp"
#include "reports/summary.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

std::string verdict(const OffloadReport& report) {
  const Prediction& p = report.best.front().prediction;
  return fmt::format("{}; {} a token ({} tokens/s), {} to the first token", verdict_text(p), to_text(p.tpot),
                     rate_text(p.decode_tokens), to_text(p.ttft));
}

std::string busy_text(const char* name, const std::vector<ResourceWork>& works, const TextStyle& style) {
  if (works.empty()) {
    return "";
  }
  Table table({{fmt::format("busy in a step of {}", name)}, {"at peak", Align::right}, {}, {"most of it"}});
  const double longest = works.front().busy.value;
  constexpr double kLittle = 0.01;  // of the busiest
  for (const ResourceWork& work : works) {
    if (work.busy.value < kLittle * longest) {
      continue;
    }
    table.add({resource_name(work.resource) + (work.way.empty() ? "" : " " + work.way), to_text(work.busy),
               paint(bar(0, work.busy.value / longest, kFullBar, style), Paint::limit, style),
               fmt::format("{} {}", work.most, percent_text(work.share))});
  }
  return table.text(style);
}

std::string help_text(const OffloadReport& report, const TextStyle& style) {
  Table table({{}, {"", Align::right}});
  for (const Elasticity& one : strongest_elasticity(report.best.front().prediction)) {
    table.add({fmt::format("10% {} {} buys", is_latency(one.figure) ? "less" : "more", resource_label(one.figure)),
               percent_text(gain_of_ten_percent(one))});
  }
  return table.empty() ? "" : heading("What would raise throughput, all else where it is", style) + table.text(style);
}

std::string memory_table(const Prediction& prediction, const TextStyle& style) {
  const ReplicaMemory& memory = prediction.memory;
  const bool stores = memory.storage.total() > Bytes{0};
  std::vector<Column> columns{{}, {"device", Align::right}, {"host", Align::right}};
  if (stores) {
    columns.push_back({"storage", Align::right});
  }
  Table table(std::move(columns));
  const auto add = [&](const std::string& name, Bytes device, Bytes host, Bytes storage) {
    const auto cell = [](Bytes bytes) { return bytes > Bytes{0} ? to_text(bytes) : std::string(); };
    std::vector<std::string> row{name, cell(device), cell(host)};
    if (stores) {
      row.push_back(cell(storage));
    }
    table.add(std::move(row));
  };
  for (const MemoryClass& kind : memory_classes()) {
    const Bytes device = memory.device.*kind.bytes, host = memory.host.*kind.bytes, stored = memory.storage.*kind.bytes;
    if (device + host + stored > Bytes{0}) {
      add(kind.name, device, host, stored);
    }
  }
  add("total", memory.device.total(), memory.host.total(), memory.storage.total());
  add("capacity", memory.device.capacity, memory.host.capacity, memory.storage.capacity);
  return heading("Memory", style) + table.text(style);
}

constexpr int kRidingCell = 9;  // of a placement's cells

std::string share_text(double share) { return share >= 1 ? "all" : share <= 0 ? "-" : percent_text(share); }

std::string cache_cell(const HybridDescription& is) {
  if (is.cache_on_device >= 1 || is.on_host) {
    return is.on_host ? "-" : "all";
  }
  return share_text(is.cache_on_device) + (is.host_attention > 0 ? " + host" : " + copied");
}

/// Where throughput is what is wanted of several requests, the same with prompts that ride on decodes is shown beside.
bool shows_riding(const OffloadReport& report) {
  return report.stream ||
         (report.goal.objective == SearchObjective::throughput && report.best.front().candidate.load.batch > 1);
}

std::vector<std::string> cells(const OffloadReport& report, const OffloadRow& row) {
  const HybridDescription& is = row.candidate.description;
  const Prediction& p = row.prediction;
  const std::string dense = is.on_host && is.device_layers > 0 ? fmt::format("{} layers", is.device_layers)
                                                               : share_text(is.on_host ? 0 : is.dense_on_device);
  std::vector<std::string> texts{
      kind_name(row.candidate.kind),
      row.experts > 0 ? count_text(row.experts_on_device) : "-",
      dense,
      cache_cell(is),
      integer_text(row.candidate.load.batch) + (is.batches > 1 ? fmt::format(" in {}", is.batches) : ""),
      integer_text(row.candidate.load.step_tokens),
      to_text(p.tpot),
      to_text(p.ttft),
      rate_text(p.output_tokens),
      row.stream ? rate_text(row.stream->output_tokens) : "-",
      row.speed >= 1 ? "" : percent_text(row.speed),
      percent_text(p.memory.device.total() / p.memory.device.capacity),
      resource_name(binding_resource(report, row))};
  if (!shows_riding(report)) {
    texts.erase(texts.begin() + kRidingCell);
  }
  return texts;
}

std::string placement_table(const OffloadReport& report, const std::vector<OffloadRow>& rows, const TextStyle& style) {
  std::vector<Column> columns{{"", Align::right},
                              {"placement"},
                              {"experts", Align::right},
                              {"other weights", Align::right},
                              {"cache"},
                              {"batch", Align::right},
                              {"prefill steps", Align::right},
                              {"TPOT", Align::right},
                              {"TTFT", Align::right},
                              {"tokens/s", Align::right},
                              {"in a stream", Align::right},
                              {"of the best", Align::right},
                              {"device", Align::right},
                              {"bound by"}};
  if (!shows_riding(report)) {
    columns.erase(columns.begin() + 1 + kRidingCell);
  }
  Table table(std::move(columns));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::string> row = cells(report, rows[i]);
    row.insert(row.begin(), std::to_string(i + 1));
    table.add(std::move(row));
  }
  return table.text(style);
}

std::string goal_text(const OffloadReport& report) {
  const SearchGoal& goal = report.goal;
  std::string text = report.stream ? "best throughput of a stream" : "best " + objective_name(goal.objective, false);
  if (goal.most_pace) {
    text += ", TPOT at most " + to_text(*goal.most_pace);
  }
  if (goal.most_first) {
    text += ", TTFT at most " + to_text(*goal.most_first);
  }
  return text;
}

}  // namespace

std::string offload_text(const OffloadReport& report, const TextStyle& style) {
  const OffloadRow& best = report.best.front();
  const SearchCounts& counts = report.counts;
  std::string text =
      heading(fmt::format("{} on {}: {}", printable(report.model), printable(report.machine), goal_text(report)), style)
          .substr(1);
  text += fmt::format("  {}; {}; costs: {}\n", report.load, printable(best.prediction.precision),
                      printable(best.prediction.cost_model));
  text += fmt::format("  {} kinds of placement: {} candidates, {} evaluated, {} pruned by their limit, {} do not fit\n",
                      report.of_kinds.size(), count_text(static_cast<double>(counts.candidates())),
                      count_text(static_cast<double>(counts.evaluated)), count_text(static_cast<double>(counts.pruned)),
                      count_text(static_cast<double>(counts.unfit)));
  if (report.stopped) {
    text += paint("  stopped before all placements were looked at\n", Paint::bad, style);
  }
  text += paint("  " + verdict(report), Paint::good, style) + "\n";
  if (report.stream && best.stream) {
    text += fmt::format("  in a stream: {} tokens/s, {} requests at once, {} for a pass, {} of it its limit\n",
                        rate_text(best.stream->output_tokens), count_text(best.stream->running),
                        to_text(best.stream->pass.seconds),
                        percent_text(best.stream->pass.limit.seconds / best.stream->pass.seconds));
  }
  text += heading("The best: " + kind_name(best.candidate.kind), style);
  Table facts({{}, {}});
  for (const PlacementFact& fact : placement_facts(best)) {
    facts.add({fact.name, fact.value});
  }
  const Prediction& p = best.prediction;
  const auto limit = [&](const char* name, const PhasePrediction& phase) {
    facts.add({fmt::format("limit of {}", name),
               fmt::format("{}, {} of the {} predicted", resource_name(phase.limit.resource),
                           percent_text(phase.limit.seconds / phase.seconds), to_text(phase.seconds))});
  };
  limit("decoding", p.decode);
  limit("prefill", p.prefill);
  text += facts.text(style) + "\n" + busy_text("decoding", report.decode, style) + "\n" +
          busy_text("prefill", report.prefill, style);
  text += help_text(report, style) + memory_table(p, style);
  text += heading("Best placements: what of them is on the device, and what binds them", style) +
          placement_table(report, report.best, style);
  return text + heading("Best of each kind", style) + placement_table(report, report.of_kinds, style);
}

}  // namespace moesaic
