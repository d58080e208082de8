// JSON of a validation: the contract of configs/schema/validation.json. Seconds and fractions, no prefixes.
#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/json_values.hpp"
#include "reports/validation_scores.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kValidationVersion = "1";
Json target_json(const AccuracyTarget* target, const JudgedGroup& scores) {
  if (target == nullptr) {
    return nullptr;
  }
  Json json = errors_json(target->median_abs_error, target->p90_abs_error);
  json["met"] = meets(*target, scores);
  return json;
}

void add_scores(Json& json, const JudgedGroup& scores, const AccuracyTarget* target) {
  json["rows"] = scores.rows;
  json["median_abs_error"] = number_json(scores.median_abs_error);
  json["p90_abs_error"] = number_json(scores.p90_abs_error);
  json["bias"] = number_json(scores.bias);
  json["coverage50"] = number_json(scores.coverage50);
  json["coverage90"] = number_json(scores.coverage90);
  json["roofline"] = errors_json(scores.roofline_median, scores.roofline_p90);
  json["constant_efficiency"] = errors_json(scores.constant_median, scores.constant_p90);
  json["target"] = target_json(target, scores);
}

Json groups_json(const std::vector<JudgedGroup>& groups) {
  Json all = Json::array();
  for (const JudgedGroup& group : groups) {
    Json json{{"device", group.device},
              {"stack", group.stack},
              {"kind", group.kind},
              {"dtype", group.dtype},
              {"mode", name(group.mode)}};
    add_scores(json, group, find_target(group.kind, group.dtype, group.mode));
    all.push_back(std::move(json));
  }
  return all;
}

Json kinds_json(const std::vector<KindRows>& kinds) {
  Json all = Json::array();
  for (const auto& [scores, rows] : kinds) {
    Json json{{"kind", scores.kind}, {"mode", name(scores.mode)}};
    add_scores(json, scores, find_target(scores.kind, "", scores.mode));
    all.push_back(std::move(json));
  }
  return all;
}

Json targets_json(const Validation& validation) {
  Json all = Json::array();
  for (const TargetScores& item : target_scores(validation)) {
    Json json;
    json["name"] = item.target->name;
    json["groups"] = item.groups;
    json["groups_met"] = item.groups_met;
    add_scores(json, item.scores, item.target);
    all.push_back(std::move(json));
  }
  return all;
}

Json worst_json(const Validation& validation, const std::vector<KindRows>& kinds) {
  Json all = Json::array();
  for (const KindRows& kind : kinds) {
    for (const std::uint32_t i : worst_rows(validation.judgement, kind.rows, kWorstShown)) {
      const JudgedRow& row = validation.judgement.rows[i];
      const Measurement& measurement = measurement_of(validation, row);
      const MeasurementKey& key = key_of(validation, row);
      all.push_back({{"kind", kind.scores.kind},
                     {"mode", name(row.mode)},
                     {"device", key.device},
                     {"stack", key.stack},
                     {"dtype", judged_dtype(key)},
                     {"kernel", key.kernel},
                     {"shape", shape_text(measurement, key.family)},
                     {"measured_s", number_json(row.measured)},
                     {"predicted_s", number_json(row.predicted)},
                     {"error", number_json(row.error())},
                     {"file", validation.measurements.files[measurement.file]},
                     {"line", measurement.line}});
    }
  }
  return all;
}

}  // namespace

std::string validation_json(const Validation& validation) {
  const Judgement& judgement = validation.judgement;
  const std::vector<KindRows> kinds = rows_by_kind(validation);
  const Json json{{"version", kValidationVersion},
                  {"data", validation.data},
                  {"rows", judgement.rows.size()},
                  {"seen_rows", validation.seen_rows},
                  {"not_judged", {{"rows", judgement.not_judged}, {"first_reason", judgement.why_not}}},
                  {"targets", targets_json(validation)},
                  {"kinds", kinds_json(kinds)},
                  {"groups", groups_json(judgement.groups)},
                  {"worst", worst_json(validation, kinds)}};
  // Text of any origin: what is not UTF-8 is replaced rather than refused.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace moesaic
