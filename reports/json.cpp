// JSON: the contracts of configs/schema/prediction.json, comparison.json and operators.json. SI units, no prefixes.
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "reports/json_values.hpp"
#include "reports/report.hpp"
#include "reports/summary.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPredictionVersion = "1";

Json whole(double value) {
  constexpr double kMost = 9e18;  // below 2^63
  return std::abs(value) < kMost ? Json(static_cast<std::int64_t>(std::llround(value))) : Json(nullptr);
}

Json load_json(const Load& load) {
  return {{"batch", load.batch}, {"input", load.input}, {"output", load.output}, {"step_tokens", load.step_tokens}};
}

Json footprint_json(const MemoryFootprint& memory, const std::optional<Bytes>& kv_per_token) {
  Json json;
  for (const MemoryClass& kind : memory_classes()) {
    json[kind.id] = whole((memory.*kind.bytes).value);
    if (kv_per_token && kind.bytes == &MemoryFootprint::state) {
      json["kv_per_token"] = whole(kv_per_token->value);
    }
  }
  json["total"] = whole(memory.total().value);
  json["capacity"] = whole(memory.capacity.value);
  return json;
}

Json memory_json(const ReplicaMemory& memory) {
  Json json = footprint_json(memory.device, memory.kv_per_token);
  json["host"] = memory.host.capacity > Bytes{0} ? footprint_json(memory.host, std::nullopt) : Json(nullptr);
  if (memory.apart.capacity > Bytes{0}) {
    json["near_memory"] = footprint_json(memory.apart, std::nullopt);
  }
  if (memory.storage.total() > Bytes{0}) {
    json["storage"] = footprint_json(memory.storage, std::nullopt);
  }
  return json;
}

Json advice_json(const FitAdvice& advice) {
  return {{"largest_batch", whole(advice.largest_batch)},
          {"longest_context", whole(advice.longest_context)},
          {"fewest_devices", optional_json(advice.fewest_devices)},
          {"fewest_devices_mapping", optional_json(advice.fewest_mapping)},
          {"smaller_type", optional_json(advice.smaller_type)},
          {"experts_on_device", optional_json(advice.experts_on_device)},
          {"host_has_room", advice.host_has_room}};
}

// A phase in JSON; every time is null when nothing runs.
class PhaseJson {
 public:
  PhaseJson(const PhasePrediction& phase, bool runs) : phase_(phase), runs_(runs) {}

  Json time(Seconds value) const { return runs_ ? number_json(value.value) : Json(nullptr); }

  Json limit(const char* seconds_key) const {
    const LimitPrediction& limit = phase_.limit;
    return {{"resource", runs_ ? Json(limit.resource) : Json(nullptr)},
            {seconds_key, time(limit.seconds)},
            {"resource_seconds", time(limit.resource_seconds)},
            {"critical_path_seconds", time(limit.critical_path_seconds)}};
  }

  Json waterfall() const {
    Json json = Json::array();
    for (const WaterfallBar& bar : runs_ ? phase_.waterfall : std::vector<WaterfallBar>{}) {
      json.push_back({{"id", bar.id},
                      {"name", bar.name},
                      {"seconds", number_json(bar.seconds.value)},
                      {"resource", bar.resource}});
    }
    return json;
  }

  Json resources() const {
    Json json = Json::object();
    for (const ResourceUse& use : runs_ ? phase_.resources : std::vector<ResourceUse>{}) {
      // Both directions of a link have one path: the busier one counts.
      if (!json.contains(use.resource) || json[use.resource] < number_json(use.utilisation)) {
        json[use.resource] = number_json(use.utilisation);
      }
    }
    return json;
  }

  Json prefill() const {
    return {{"seconds", time(phase_.seconds)}, {"limit_seconds", time(phase_.limit.seconds)},
            {"limit", limit("seconds")},       {"waterfall", waterfall()},
            {"resources", resources()},        {"steps", runs_ ? number_json(phase_.steps) : Json(nullptr)}};
  }

  Json decode() const {
    return {{"seconds_per_step", time(phase_.seconds)},
            {"limit_seconds_per_step", time(phase_.limit.seconds)},
            {"limit", limit("seconds_per_step")},
            {"resources", resources()}};
  }

 private:
  const PhasePrediction& phase_;
  bool runs_;
};

Json elasticity_json(const Prediction& prediction) {
  Json json = Json::object();
  for (const Elasticity& elasticity : runs(prediction) ? prediction.elasticity : std::vector<Elasticity>{}) {
    json[elasticity.figure] = number_json(elasticity.throughput);
  }
  return json;
}

Json interval_json(Seconds value, const Interval& interval, bool runs) {
  if (!runs) {
    return nullptr;
  }
  const auto times = [&](double low, double high) {
    return Json{number_json(value.value * low), number_json(value.value * high)};
  };
  return {{"p50", times(interval.low50, interval.high50)}, {"p90", times(interval.low90, interval.high90)}};
}

Json work_energy_json(const WorkEnergy& energy) {
  Json units = Json::object();
  for (const UnitWorkEnergy& unit : energy.units) {
    units[unit.unit] = {{"memory", number_json(unit.memory.value)}, {"arithmetic", number_json(unit.arithmetic.value)}};
  }
  return {{"total", number_json(energy.total().value)}, {"units", units}, {"links", number_json(energy.links.value)}};
}

void add_prediction(Json& json, const Prediction& p) {
  const PhaseJson prefill(p.prefill, runs(p));
  const PhaseJson decode(p.decode, runs(p));
  const auto value = [&p](auto quantity) { return runs(p) ? number_json(quantity.value) : Json(nullptr); };
  json["version"] = kPredictionVersion;
  json["model"] = p.model;
  json["machine"] = p.machine;
  json["mapping"] = p.mapping;
  json["placement"] = p.placement;
  json["precision"] = p.precision;
  json["cost_model"] = p.cost_model;
  json["devices"] = p.devices;
  json["load"] = load_json(p.load);
  json["fits"] = p.fits;
  json["running_batch"] = whole(p.running_batch);
  json["memory"] = memory_json(p.memory);
  json["advice"] = advice_json(p.advice);
  json["prefill"] = prefill.prefill();
  json["decode"] = decode.decode();
  json["ttft_s"] = value(p.ttft);
  json["tpot_s"] = value(p.tpot);
  json["end_to_end_s"] = value(p.end_to_end);
  json["intervals"] = {{"ttft_s", interval_json(p.ttft, p.ttft_interval, runs(p))},
                       {"tpot_s", interval_json(p.tpot, p.tpot_interval, runs(p))},
                       {"end_to_end_s", interval_json(p.end_to_end, p.end_to_end_interval, runs(p))}};
  json["throughput"] = {{"output_tokens_per_s", value(p.output_tokens)},
                        {"total_tokens_per_s", value(p.total_tokens)},
                        {"per_device", value(p.output_tokens_per_device)},
                        {"decode_tokens_per_s", value(p.decode_tokens)}};
  json["limit"] = decode.limit("seconds_per_step");
  json["waterfall"] = decode.waterfall();
  json["elasticity"] = elasticity_json(p);
  json["energy_j_per_token"] = value(p.energy_per_token);
  json["usd_per_million_tokens"] = value(p.per_million_tokens);
  if (p.work_energy.known()) {
    json["work_energy_j_per_token"] = work_energy_json(p.work_energy);
  }
}

Json operator_json(const OperatorRow& row, Seconds step) {
  return {{"block", row.block},
          {"operator", row.operator_},
          {"kind", row.kind},
          {"shape", row.shape},
          {"count", number_json(row.count)},
          {"flops", number_json(row.flops.value)},
          {"bytes", number_json(row.bytes.value)},
          {"unit", row.unit},
          {"arithmetic", row.arithmetic},
          {"intensity_flop_per_byte", number_json(row.intensity.value)},
          {"ridge_flop_per_byte", number_json(row.ridge.value)},
          {"limit_seconds", number_json(row.limit.value)},
          {"seconds", number_json(row.time.value)},
          {"share_of_step", number_json(row.time * row.count / step)},
          {"bound_by", row.bound_by}};
}

}  // namespace

std::string prediction_json(const Prediction& prediction) {
  Json json;
  add_prediction(json, prediction);
  return document_text(json);
}

std::string comparison_json(const std::vector<Prediction>& predictions, const std::vector<std::string>& names) {
  MOESAIC_ASSERT(predictions.size() == names.size());
  Json all = Json::array();
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    Json json;
    json["name"] = names[i];
    add_prediction(json, predictions[i]);
    all.push_back(std::move(json));
  }
  return document_text({{"version", kPredictionVersion}, {"predictions", std::move(all)}});
}

std::string operators_json(const OperatorTable& operators) {
  Json rows = Json::array();
  for (const OperatorRow& row : operators.rows) {
    rows.push_back(operator_json(row, operators.step));
  }
  Json json = {{"version", kPredictionVersion},
               {"cost_model", operators.cost_model},
               {"step_seconds", number_json(operators.step.value)}};
  if (operators.part) {
    const StagePart& part = *operators.part;
    json["pipeline"] = {{"stages", part.stages},
                        {"alike", part.alike},
                        {"micro_batches", number_json(part.micro_batches)},
                        {"requests", number_json(part.requests)}};
  }
  json["operators"] = std::move(rows);
  return document_text(json);
}

}  // namespace moesaic
