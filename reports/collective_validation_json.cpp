// JSON of judged collectives: the contract of configs/schema/collective_validation.json. Seconds and fractions.
#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/collective_validation.hpp"
#include "reports/json_values.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

void add_scores(Json& json, const JudgedGroup& scores) {
  json["rows"] = scores.rows;
  json["median_abs_error"] = number_json(scores.median_abs_error);
  json["p90_abs_error"] = number_json(scores.p90_abs_error);
  json["bias"] = number_json(scores.bias);
  json["coverage50"] = number_json(scores.coverage50);
  json["coverage90"] = number_json(scores.coverage90);
  json["closed_form"] = errors_json(scores.roofline_median, scores.roofline_p90);
  json["one_efficiency"] = errors_json(scores.constant_median, scores.constant_p90);
}

/// A place without rows has neither met nor missed its target.
Json target_json(const std::vector<CollectiveGroup>& groups, NodePlace place) {
  const double target = collective_target(place);
  Json json{{"target_median_abs_error", target}, {"rows", 0}, {"median_abs_error", nullptr}, {"met", nullptr}};
  for (const CollectiveGroup& group : groups) {
    if (group.place == place && group.by == "place") {
      json["rows"] = group.scores.rows;
      json["median_abs_error"] = number_json(group.scores.median_abs_error);
      json["met"] = group.scores.median_abs_error <= target;
    }
  }
  return json;
}

void add_worst(Json& all, const Validation& validation, const CollectiveGroup& place) {
  for (const std::uint32_t i : worst_rows(validation.judgement, place.rows, kWorstShown)) {
    const JudgedRow& row = validation.judgement.rows[i];
    const Measurement& measurement = measurement_of(validation, row);
    const MeasurementKey& key = key_of(validation, row);
    all.push_back({{"place", name(place.place)},
                   {"collective", collective_of(key)},
                   {"implementation", implementation_of(key)},
                   {"mode", name(row.mode)},
                   {"device", key.device},
                   {"dtype", key.dtype},
                   {"shape", shape_text(measurement, key.family)},
                   {"measured_s", number_json(row.measured)},
                   {"predicted_s", number_json(row.predicted)},
                   {"error", number_json(row.error())},
                   {"file", validation.measurements.files[measurement.file]},
                   {"line", measurement.line}});
  }
}

}  // namespace

std::string collective_validation_json(const CollectiveValidation& run) {
  const Validation& validation = run.validation;
  const std::vector<CollectiveGroup> groups = collective_groups(validation);
  Json json{{"version", "1"},
            {"kind", "collective validation"},
            {"data", validation.data},
            {"held_out", name(run.held_out)},
            {"judged_rows", validation.judgement.rows.size()},
            {"seen_rows", validation.seen_rows}};
  for (const NodePlace place : kNodePlaces) {
    json["targets"][std::string(name(place))] = target_json(groups, place);
  }
  json["rows"] = Json::array();
  json["worst"] = Json::array();
  for (const CollectiveGroup& group : groups) {
    Json one{{"place", name(group.place)}, {"by", group.by}, {"name", group.name}};
    add_scores(one, group.scores);
    json["rows"].push_back(std::move(one));
    if (group.by == "place") {
      add_worst(json["worst"], validation, group);
    }
  }
  json["not_judged"] = Json::array();
  for (const auto& [why, rows] : validation.judgement.reasons) {
    json["not_judged"].push_back({{"rows", rows}, {"why", why}});
  }
  // Text of any origin: what is not UTF-8 is replaced rather than refused.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace moesaic
