// What the charts of a page show, as JSON: the contract's JSON, and what only a page needs.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/dtype.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/summary.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

// A unit that operators name, and the share of it that one device has: devices divide the host's cores.
struct SharedUnit {
  const Unit* unit = nullptr;
  double share = 1;
};

// Null for links.
SharedUnit find_unit(const PageSection& section, const std::string& name) {
  for (const Unit& unit : section.machine.device.units) {
    if (unit.name == name) {
      return {&unit, 1};
    }
  }
  const auto& host = section.machine.host;
  return host && host->cpu.name == name ? SharedUnit{&host->cpu, 1.0 / static_cast<double>(section.prediction.devices)}
                                        : SharedUnit{};
}

FlopsPerSecond peak_of(const Unit& unit, const std::string& arithmetic) {
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    if (name(static_cast<DType>(i)) == arithmetic) {
      return unit.peak[i];
    }
  }
  return {};
}

// One roof for every unit and format that an operator of either phase runs on.
Json roofs(const PageSection& section) {
  Json json = Json::array();
  std::vector<std::pair<std::string, std::string>> seen;
  for (const auto* rows : {&section.decode_operators, &section.prefill_operators}) {
    for (const OperatorRow& row : *rows) {
      const std::pair key(row.unit, row.arithmetic);
      const auto [unit, share] = find_unit(section, row.unit);
      if (unit == nullptr || std::find(seen.begin(), seen.end(), key) != seen.end()) {
        continue;
      }
      seen.push_back(key);
      const FlopsPerSecond peak = peak_of(*unit, row.arithmetic);
      if (peak.value > 0 && unit->memory_bandwidth.value > 0) {
        json.push_back({{"unit", row.unit},
                        {"arithmetic", row.arithmetic},
                        {"peak", peak.value * share},
                        {"bandwidth", unit->memory_bandwidth.value * share}});
      }
    }
  }
  return json;
}

Json names(const Prediction& prediction) {
  Json json = Json::object();
  const auto add = [&json](const std::string& path) { json[path] = resource_name(path); };
  for (const NamedPhase& phase : phases(prediction)) {
    add(phase.phase->limit.resource);
    for (const WaterfallBar& bar : phase.phase->waterfall) {
      add(bar.resource);
    }
  }
  for (const Elasticity& elasticity : prediction.elasticity) {
    add(elasticity.figure);
  }
  return json;
}

Json levers(const Prediction& prediction) {
  Json json = Json::array();
  for (const Elasticity& elasticity : strongest_elasticity(prediction)) {
    json.push_back({{"figure", elasticity.figure},
                    {"change", is_latency(elasticity.figure) ? "10% less" : "10% more"},
                    {"gain", gain_of_ten_percent(elasticity)}});
  }
  return json;
}

Json sweep(const std::vector<SweepPoint>& points) {
  Json json = Json::array();
  for (const SweepPoint& point : points) {
    json.push_back({{"batch", point.batch},
                    {"fits", point.fits},
                    {"throughput", point.output_tokens.value},
                    {"throughput_limit", point.limit_output_tokens.value},
                    {"tpot", point.tpot.value},
                    {"tpot_limit", point.limit_tpot.value},
                    {"ttft", point.ttft.value},
                    {"ttft_limit", point.limit_ttft.value}});
  }
  return json;
}

Json section_data(const PageSection& section) {
  const Prediction& prediction = section.prediction;
  Json classes = Json::array();
  for (const MemoryClass& kind : memory_classes()) {
    classes.push_back({{"id", kind.id}, {"name", kind.name}});
  }
  return {{"title", section.title},
          {"prediction", Json::parse(prediction_json(prediction))},
          {"names", names(prediction)},
          {"memory_classes", std::move(classes)},
          {"levers", levers(prediction)},
          {"operators",
           {{"prefill", Json::parse(operators_json({section.prefill_operators,
                                                    step_of(section.prefill_step, section.prefill_operators),
                                                    prediction.cost_model}))},
            {"decode", Json::parse(operators_json({section.decode_operators,
                                                   step_of(section.decode_step, section.decode_operators),
                                                   prediction.cost_model}))}}},
          {"roofs", roofs(section)},
          {"sweep", sweep(section.sweep)}};
}

}  // namespace

Seconds step_of(Seconds step, const std::vector<OperatorRow>& rows) {
  return step > Seconds{0} ? step : total_time(rows);
}

std::string page_data(const std::vector<PageSection>& sections) {
  Json json = Json::array();
  for (const PageSection& section : sections) {
    json.push_back(section_data(section));
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);  // infinities and NaN become null
}

}  // namespace moesaic
