#include "reports/cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json row_json(const CacheReport& report, const CacheReport::Row& row) {
  Json layers = Json::array();
  for (const LayerHits& layer : row.cache.layers) {
    layers.push_back(layer.rate());
  }
  Json json = {{"hit_rate", row.cache.all().rate()},
               {"misses_per_token", row.cache.misses_per_token()},
               {"misses_per_step", row.cache.misses_per_step()},
               {"layer_hit_rates", layers}};
  if (report.expert > Bytes{}) {
    json["fetched_bytes_per_token"] = row.cache.misses_per_token() * report.expert.value;
  }
  if (row.prefetch) {
    const auto steps = static_cast<double>(row.prefetch->steps);
    json["prefetch"] = {{"hit_rate", row.prefetch->rate()},
                        {"in_time_per_step", static_cast<double>(row.prefetch->in_time) / steps},
                        {"late_per_step", static_cast<double>(row.prefetch->late()) / steps},
                        {"wasted_per_step", static_cast<double>(row.prefetch->wasted()) / steps}};
  }
  return json;
}

std::string locality_text(const CacheReport& report) {
  if (!report.locality) {
    return "";
  }
  const Locality& given = *report.locality;
  std::string text = fmt::format("; made with repeat {:.3f}", given.repeat);
  if (given.document > 0) {
    text += fmt::format(", preference {:.3f} of documents of {} tokens", given.preference, given.document);
  }
  return given.layer_copy > 0 ? text + fmt::format(", layer copy {:.2f}", given.layer_copy) : text;
}

}  // namespace

std::string cache_text(const CacheReport& report, const TextStyle& style) {
  std::string text =
      fmt::format("  {}: {} experts, {} a token, {} layers; {} tokens, {} a step\n", printable(report.what),
                  report.experts, report.top_k, report.layers, report.tokens, report.batch);
  text += fmt::format("  routing {}{}\n", printable(report.routing), locality_text(report));
  text += fmt::format(
      "  SRP({}) {}, rho-hat {:.2f}; load deviation {}; {} as the token before; used again after {:.1f} tokens\n\n",
      report.segment, percent_text(report.segments.performance), report.segments.size_ratio,
      percent_text(report.measured.load_deviation), percent_text(report.measured.repeat),
      report.measured.temporal_distance);
  const bool prefetches = std::any_of(report.rows.begin(), report.rows.end(),
                                      [](const CacheReport::Row& row) { return row.prefetch.has_value(); });
  const bool bytes = report.expert > Bytes{};
  std::vector<Column> columns = {{"capacity"}, {"policy"}, {"hits", Align::right}, {"misses/step", Align::right}};
  if (bytes) {
    columns.push_back({"fetched/step", Align::right});
    columns.push_back({"held", Align::right});
  }
  if (prefetches) {
    columns.push_back({"hits + in time", Align::right});
    columns.push_back({"late/step", Align::right});
    columns.push_back({"wasted/step", Align::right});
  }
  Table table(columns);
  for (const CacheReport::Row& row : report.rows) {
    std::vector<std::string> cells = {fmt::format("{:g}", row.experts), std::string(name(row.policy)),
                                      percent_text(row.cache.all().rate()),
                                      fmt::format("{:.2f}", row.cache.misses_per_step())};
    if (bytes) {
      cells.push_back(to_text(report.expert * row.cache.misses_per_step()));
      cells.push_back(to_text(report.expert * row.cache.held_experts));
    }
    if (row.prefetch) {
      const auto steps = static_cast<double>(row.prefetch->steps);
      cells.push_back(percent_text(row.prefetch->rate()));
      cells.push_back(fmt::format("{:.2f}", static_cast<double>(row.prefetch->late()) / steps));
      cells.push_back(fmt::format("{:.2f}", static_cast<double>(row.prefetch->wasted()) / steps));
    }
    table.add(std::move(cells));
  }
  text += table.text(style);
  if (report.batching) {
    Table batches({{"batches"}, {"distinct experts of a layer", Align::right}});
    for (int i = 0; i < kBatchOrderCount; ++i) {
      batches.add({std::string(name(static_cast<BatchOrder>(i))),
                   fmt::format("{:.2f}", report.batching->at(static_cast<std::size_t>(i)))});
    }
    text += "\n" + batches.text(style);
  }
  return text;
}

std::string cache_json(const CacheReport& report) {
  Json capacities = Json::object();
  for (const CacheReport::Row& row : report.rows) {
    Json& capacity = capacities[row.capacity];
    capacity["experts"] = row.experts;
    capacity["held_experts"] = row.cache.held_experts;
    capacity["held_bytes"] = row.cache.held_experts * report.expert.value;
    capacity[std::string(name(row.policy))] = row_json(report, row);
  }
  Json json = {{"version", "1"},
               {"name", report.what},
               {"experts", report.experts},
               {"top_k", report.top_k},
               {"layers", report.layers},
               {"tokens", report.tokens},
               {"batch", report.batch},
               {"routing", report.routing},
               {"expert_bytes", report.expert.value},
               {"trace",
                {{"segment", report.segment},
                 {"srp", report.segments.performance},
                 {"size_ratio", report.segments.size_ratio},
                 {"load_deviation", report.measured.load_deviation},
                 {"repeat", report.measured.repeat},
                 {"temporal_distance", report.measured.temporal_distance}}}};
  if (report.locality) {
    json["made_with"] = {{"repeat", report.locality->repeat},
                         {"preference", report.locality->preference},
                         {"document", report.locality->document},
                         {"layer_copy", report.locality->layer_copy}};
  }
  json["capacities"] = capacities;
  if (report.batching) {
    for (int i = 0; i < kBatchOrderCount; ++i) {
      json["distinct_experts"][std::string(name(static_cast<BatchOrder>(i)))] =
          report.batching->at(static_cast<std::size_t>(i));
    }
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
