// Private to reports: values in JSON, the same way in every report.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/quantity.hpp"
#include "reports/deployed.hpp"

namespace moesaic {

/// JSON has no NaN and no infinity: those are null.
inline nlohmann::ordered_json number_json(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

/// Errors of some rows, as all validations write them.
inline nlohmann::ordered_json errors_json(double median, double p90) {
  return {{"median_abs_error", number_json(median)}, {"p90_abs_error", number_json(p90)}};
}

/// What is not there is null.
template <class T>
nlohmann::ordered_json optional_json(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}
inline nlohmann::ordered_json optional_json(const std::optional<Seconds>& value) {
  return value ? nlohmann::ordered_json(value->value) : nlohmann::ordered_json(nullptr);
}

/// How documents about one deployment begin.
inline nlohmann::ordered_json deployed_json(const Deployed& what) {
  return {{"version", "1"},
          {"model", what.model},
          {"machine", what.machine},
          {"devices", what.devices},
          {"mapping", what.mapping},
          {"placement", what.placement},
          {"precision", what.precision},
          {"cost_model", what.cost_model}};
}

/// A whole document. Text of any origin: what is not UTF-8 is replaced rather than refused.
inline std::string document_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace moesaic
