#include <fmt/format.h>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/search.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

std::vector<Column> columns(const SearchReport& report, bool ranked) {
  std::vector<Column> columns;
  if (ranked) {
    columns.push_back({"", Align::right});
  }
  columns.push_back({"mapping"});
  columns.push_back({"copies", Align::right});
  columns.push_back(report.training ? Column{"setting"} : Column{"batch", Align::right});
  columns.push_back({pace_name(report), Align::right});
  if (!report.training) {
    columns.push_back({"TTFT", Align::right});
  }
  columns.push_back({"tokens/s/device", Align::right});
  columns.push_back({"memory", Align::right});
  columns.push_back({"most of it"});
  return columns;
}

std::vector<std::string> cells(const SearchReport& report, const SearchRow& row) {
  std::vector<std::string> cells{row.mapping, std::to_string(row.copies),
                                 report.training ? row.setting : std::to_string(row.batch), to_text(row.figures.pace)};
  if (!report.training) {
    cells.push_back(to_text(row.figures.first));
  }
  cells.push_back(rate_text(row.figures.throughput));
  cells.push_back(percent_text(row.memory / row.capacity));
  cells.push_back(largest_cost(row));
  return cells;
}

std::string goal_text(const SearchReport& report) {
  std::string text = "best " + objective_name(report.goal.objective, report.training) +
                     (report.goal.objective == SearchObjective::throughput ? " of a device" : "");
  if (report.goal.most_pace) {
    text += fmt::format(", {} at most {}", pace_name(report), to_text(*report.goal.most_pace));
  }
  if (report.goal.most_first) {
    text += fmt::format(", TTFT at most {}", to_text(*report.goal.most_first));
  }
  return text;
}

}  // namespace

std::string search_text(const SearchReport& report, const TextStyle& style) {
  std::string text = heading(fmt::format("{} on {} devices of {}: {}", printable(report.model), report.devices,
                                         printable(report.machine), goal_text(report)),
                             style)
                         .substr(1);
  text += fmt::format("  {}; costs: {}\n  {}\n", report.load, report.cost_model, counts_sentence(report));
  if (report.stopped) {
    text += paint("  stopped before all mappings were looked at\n", Paint::bad, style);
  }
  Table best(columns(report, true));
  for (std::size_t i = 0; i < report.best.size(); ++i) {
    std::vector<std::string> row = cells(report, report.best[i]);
    row.insert(row.begin(), std::to_string(i + 1));
    best.add(std::move(row));
  }
  text += heading("Best mappings", style) + best.text(style);
  if (const std::string why = why_lost(report); !why.empty()) {
    text += "  " + why + "\n";
  }
  Table front(columns(report, false));
  for (const SearchRow& row : report.front) {
    front.add(cells(report, row));
  }
  return text + heading(fmt::format("Front of throughput against {}", pace_name(report)), style) + front.text(style);
}

}  // namespace moesaic
