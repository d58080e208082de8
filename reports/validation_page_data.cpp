// The data of a validation's charts.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "reports/validation_parts.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDigits = 4;  // of times in charts

// splitmix64: neighbouring rows, which differ in one shape column, become unrelated numbers.
std::uint64_t scattered(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

double rounded(double value) {
  if (!(value > 0) || !std::isfinite(value)) {
    return 0;
  }
  const double unit = std::pow(10, std::floor(std::log10(value)) - (kDigits - 1));
  return std::round(value / unit) * unit;
}

Json pair_json(double median, double p90) {
  return std::isfinite(median) && std::isfinite(p90) ? Json::array({median, p90}) : Json(nullptr);
}

std::vector<std::string> devices_of(const Validation& validation) {
  std::vector<bool> used(validation.measurements.keys.size());
  for (const JudgedRow& row : validation.judgement.rows) {
    used[measurement_of(validation, row).key] = true;
  }
  std::vector<std::string> devices;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) {
      devices.push_back(validation.measurements.keys[i].device);
    }
  }
  std::sort(devices.begin(), devices.end());
  devices.erase(std::unique(devices.begin(), devices.end()), devices.end());
  return devices;
}

std::string key_text(const MeasurementKey& key) {
  return key.device + ' ' + key.stack + ' ' + judged_dtype(key) + (key.kernel.empty() ? "" : ' ' + key.kernel);
}

Json kind_json(const Validation& validation, const KindRows& kind, const std::vector<std::string>& devices) {
  std::map<std::uint32_t, std::size_t> key_indices;
  Json keys = Json::array();
  Json points = Json::array();
  for (const std::uint32_t i : thinned(validation.judgement, kind.rows, kMostPoints)) {
    const JudgedRow& row = validation.judgement.rows[i];
    const double predicted = rounded(row.predicted);
    if (predicted == 0) {
      continue;  // has no place on a logarithmic axis
    }
    const Measurement& measurement = measurement_of(validation, row);
    const MeasurementKey& key = key_of(validation, row);
    const auto [index, is_new] = key_indices.emplace(measurement.key, keys.size());
    if (is_new) {
      keys.push_back(key_text(key));
    }
    const auto device = std::lower_bound(devices.begin(), devices.end(), key.device) - devices.begin();
    points.push_back(
        Json::array({rounded(row.measured), predicted, device, index->second, shape_text(measurement, key.family)}));
  }
  const JudgedGroup& scores = kind.scores;
  const AccuracyTarget* target = find_target(scores.kind, "", scores.mode);
  Json json;
  json["title"] = title_of(scores);
  json["errors"] = {{"calibrated", pair_json(scores.median_abs_error, scores.p90_abs_error)},
                    {"constant", pair_json(scores.constant_median, scores.constant_p90)},
                    {"roofline", pair_json(scores.roofline_median, scores.roofline_p90)}};
  json["target"] = target == nullptr ? Json(nullptr) : pair_json(target->median_abs_error, target->p90_abs_error);
  json["devices"] = devices;
  json["keys"] = std::move(keys);
  json["points"] = std::move(points);
  return json;
}

}  // namespace

RowSet thinned(const Judgement& judgement, const RowSet& rows, std::size_t most) {
  if (rows.size() <= most) {
    return rows;
  }
  RowSet chosen = worst_rows(judgement, rows, std::min(kWorstShown, most));
  const RowSet worst(chosen);
  RowSet others;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(others),
               [&](std::uint32_t i) { return std::find(worst.begin(), worst.end(), i) == worst.end(); });
  const auto end = others.begin() + static_cast<std::ptrdiff_t>(most - chosen.size());
  std::nth_element(others.begin(), end, others.end(),
                   [](std::uint32_t a, std::uint32_t b) { return scattered(a) < scattered(b); });
  chosen.insert(chosen.end(), others.begin(), end);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::string validation_page_data(const Validation& validation, const std::vector<KindRows>& kinds) {
  const std::vector<std::string> devices = devices_of(validation);
  Json all = Json::array();
  for (const KindRows& kind : kinds) {
    all.push_back(kind_json(validation, kind, devices));
  }
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace moesaic
