#include <nlohmann/json.hpp>

#include "reports/json_values.hpp"
#include "reports/search.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json row_json(const SearchReport& report, const SearchRow& row) {
  Json costs = Json::object();
  for (const SearchCost& cost : row.costs) {
    costs[cost.id] = cost.seconds.value;
  }
  Json json = {{"mapping", row.mapping},
               {"devices", row.devices},
               {"copies", row.copies},
               {"setting", row.setting},
               {"batch", row.batch}};
  json[report.training ? "step_s" : "tpot_s"] = row.figures.pace.value;
  if (!report.training) {
    json["ttft_s"] = row.figures.first.value;
  }
  json["tokens_per_s_per_device"] = row.figures.throughput.value;
  json["memory_bytes"] = row.memory.value;
  json["capacity_bytes"] = row.capacity.value;
  json["costs_s"] = costs;
  return json;
}

Json rows_json(const SearchReport& report, const std::vector<SearchRow>& rows) {
  Json json = Json::array();
  for (const SearchRow& row : rows) {
    json.push_back(row_json(report, row));
  }
  return json;
}

}  // namespace

std::string search_json(const SearchReport& report) {
  const SearchCounts& counts = report.counts;
  const Json json = {{"version", "1"},
                     {"model", report.model},
                     {"machine", report.machine},
                     {"devices", report.devices},
                     {"load", report.load},
                     {"cost_model", report.cost_model},
                     {"training", report.training},
                     {"objective", objective_name(report.goal.objective, report.training)},
                     {"slo",
                      {{report.training ? "step_s" : "tpot_s", optional_json(report.goal.most_pace)},
                       {"ttft_s", optional_json(report.goal.most_first)}}},
                     {"counts",
                      {{"mappings", counts.mappings},
                       {"refused", counts.refused},
                       {"too_large", counts.too_large},
                       {"evaluated", counts.evaluated},
                       {"pruned", counts.pruned},
                       {"unfit", counts.unfit}}},
                     {"complete", !report.stopped},
                     {"best", rows_json(report, report.best)},
                     {"front", rows_json(report, report.front)},
                     {"why_runner_up_lost", why_lost(report)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
