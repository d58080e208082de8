#include "reports/dram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kPicojoulesPerBit = 1e12 / 8;  // of a joule per byte

double per_bit(const DramReport::Row& row, std::size_t step) {
  return row.stream.energy[step] / row.stream.moved * Bytes{1} / Joules{1} * kPicojoulesPerBit;
}

double total_per_bit(const DramReport::Row& row) {
  return row.stream.total_energy() / row.stream.moved * Bytes{1} / Joules{1} * kPicojoulesPerBit;
}

std::string_view verb(StreamKind kind) {
  switch (kind) {
    case StreamKind::read:
      return "reads";
    case StreamKind::write:
      return "writes";
    case StreamKind::update:
      return "updates";
  }
  MOESAIC_ASSERT(false);
}

Table bandwidths(const DramReport& report) {
  Table table({{"path"},
               {"nominal", Align::right},
               {"attained", Align::right},
               {"share", Align::right},
               {"closed form", Align::right},
               {"time", Align::right},
               {"energy per bit", Align::right}});
  for (const DramReport::Row& row : report.rows) {
    const BytesPerSecond attained = row.stream.bandwidth();
    table.add({row.path.name, to_text(row.nominal), to_text(attained), percent_text(attained / row.nominal),
               row.closed_form ? to_text(row.stream.moved / *row.closed_form) : "-", to_text(row.stream.time),
               fmt::format("{:.2f} pJ", total_per_bit(row))});
  }
  return table;
}

/// Only steps that any of the paths passes.
Table energies(const DramReport& report) {
  std::vector<Column> columns{{"pJ per bit"}};
  std::vector<std::size_t> steps;
  for (std::size_t step = 0; step < kDramStepCount; ++step) {
    const auto passed = [&](const DramReport::Row& row) { return row.stream.energy[step] > Joules{}; };
    if (std::any_of(report.rows.begin(), report.rows.end(), passed)) {
      std::string head(to_text(static_cast<DramStep>(step)));
      std::replace(head.begin(), head.end(), '_', ' ');
      columns.push_back({head, Align::right});
      steps.push_back(step);
    }
  }
  Table table(columns);
  for (const DramReport::Row& row : report.rows) {
    std::vector<std::string> cells{row.path.name};
    for (const std::size_t step : steps) {
      cells.push_back(row.stream.energy[step] > Joules{} ? fmt::format("{:.2f}", per_bit(row, step)) : "-");
    }
    table.add(cells);
  }
  return table;
}

Table commands(const DramReport& report) {
  Table table({{"commands"},
               {"banks of each", Align::right},
               {"activate", Align::right},
               {"precharge", Align::right},
               {"read", Align::right},
               {"write", Align::right},
               {"refresh", Align::right}});
  for (const DramReport::Row& row : report.rows) {
    const DramCommands& sent = row.stream.commands;
    table.add({row.path.name, std::to_string(row.path.banks), integer_text(sent.activate), integer_text(sent.precharge),
               integer_text(sent.read), integer_text(sent.write), integer_text(sent.refresh)});
  }
  return table;
}

Json row_json(const DramReport::Row& row) {
  Json energy = Json::object();
  for (std::size_t step = 0; step < kDramStepCount; ++step) {
    if (row.stream.energy[step] > Joules{}) {
      energy[std::string(to_text(static_cast<DramStep>(step)))] = per_bit(row, step);
    }
  }
  const BytesPerSecond attained = row.stream.bandwidth();
  const DramCommands& sent = row.stream.commands;
  Json json = {{"path", row.path.name},
               {"banks", row.path.banks},
               {"interleave", row.path.interleave},
               {"turns", row.path.turns},
               {"nominal_bytes_per_s", row.nominal.value},
               {"attained_bytes_per_s", attained.value},
               {"share", attained / row.nominal},
               {"seconds", row.stream.time.value}};
  if (row.closed_form) {
    json["closed_form_seconds"] = row.closed_form->value;
  }
  json["joules"] = row.stream.total_energy().value;
  json["picojoules_per_bit"] = energy;
  json["commands"] = {{"activate", sent.activate},
                      {"precharge", sent.precharge},
                      {"read", sent.read},
                      {"write", sent.write},
                      {"refresh", sent.refresh}};
  return json;
}

}  // namespace

DramReport report_dram(const Dram& dram, const std::vector<AccessPath>& paths, Bytes bytes, StreamKind kind) {
  DramReport report{dram, bytes, kind, {}};
  for (const AccessPath& path : paths) {
    DramReport::Row row{path, nominal(dram, path), simulate_stream(dram, path, bytes, kind), std::nullopt};
    if (kind != StreamKind::update) {
      row.closed_form = closed_form_time(dram, path, bytes, kind);
    }
    report.rows.push_back(std::move(row));
  }
  return report;
}

std::string dram_text(const DramReport& report, const TextStyle& style) {
  const Dram& dram = report.dram;
  return fmt::format(
             "  {}: {}, {} stacks of {} pseudo channels of {} ranks of {} banks, data buses {}\n"
             "  stream: {} of {}\n\n",
             printable(dram.name), to_text(dram.capacity()), dram.stacks, dram.pseudo_channels, dram.ranks,
             dram.banks(), to_text(dram.peak()), verb(report.kind), to_text(report.bytes)) +
         bandwidths(report).text(style) + "\n" + energies(report).text(style) + "\n" + commands(report).text(style) +
         "\n  commands are those of the fullest pseudo channel\n";
}

std::string dram_json(const DramReport& report) {
  Json paths = Json::array();
  for (const DramReport::Row& row : report.rows) {
    paths.push_back(row_json(row));
  }
  const Json json = {{"version", "1"},
                     {"memory", report.dram.name},
                     {"capacity_bytes", report.dram.capacity().value},
                     {"peak_bytes_per_s", report.dram.peak().value},
                     {"stream", verb(report.kind)},
                     {"bytes", report.bytes.value},
                     {"paths", paths}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
