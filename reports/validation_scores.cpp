#include "reports/validation_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/statistics.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

/// Median and 90th percentile of |prediction / measured - 1|; NaN without a prediction.
struct Errors {
  double median = std::numeric_limits<double>::quiet_NaN();
  double p90 = std::numeric_limits<double>::quiet_NaN();
};

Errors errors(const Judgement& judgement, const RowSet& rows, double JudgedRow::*prediction) {
  std::vector<double> values;
  values.reserve(rows.size());
  for (const std::uint32_t i : rows) {
    const JudgedRow& row = judgement.rows[i];
    if (row.*prediction > 0 && std::isfinite(row.*prediction)) {
      values.push_back(std::abs(row.*prediction / row.measured - 1));
    }
  }
  return values.empty() ? Errors{} : Errors{median(values), percentile(values, 0.9)};
}

double coverage(const Judgement& judgement, const RowSet& rows, double JudgedRow::*half) {
  const auto inside = std::count_if(rows.begin(), rows.end(), [&](std::uint32_t i) {
    const JudgedRow& row = judgement.rows[i];
    return std::abs(std::log(row.predicted / row.measured)) <= row.*half;
  });
  return static_cast<double>(inside) / static_cast<double>(rows.size());
}

}  // namespace

const Measurement& measurement_of(const Validation& validation, const JudgedRow& row) {
  return validation.measurements.rows[row.row];
}

const MeasurementKey& key_of(const Validation& validation, const JudgedRow& row) {
  return validation.measurements.key_of(measurement_of(validation, row));
}

std::string kind_of(const Validation& validation, const JudgedRow& row) {
  return judged_kind(key_of(validation, row), measurement_of(validation, row));
}

std::string place_of(const Validation& validation, const JudgedRow& row) {
  const Measurement& measurement = measurement_of(validation, row);
  std::string_view file = validation.measurements.files[measurement.file];
  for (std::string_view data : validation.data) {
    while (data.ends_with('/')) {
      data.remove_suffix(1);
    }
    if (file.size() > data.size() + 1 && file.starts_with(data) && file[data.size()] == '/') {
      file.remove_prefix(data.size() + 1);
      break;
    }
  }
  return std::string(file) + ':' + std::to_string(measurement.line);
}

JudgedGroup score(const Judgement& judgement, const RowSet& rows) {
  JudgedGroup scores;
  scores.rows = rows.size();
  if (rows.empty()) {
    return scores;
  }
  const auto [median_error, p90_error] = errors(judgement, rows, &JudgedRow::predicted);
  const auto [roofline_median, roofline_p90] = errors(judgement, rows, &JudgedRow::roofline);
  const auto [constant_median, constant_p90] = errors(judgement, rows, &JudgedRow::constant);
  std::vector<double> signed_errors;
  signed_errors.reserve(rows.size());
  for (const std::uint32_t i : rows) {
    signed_errors.push_back(judgement.rows[i].error());
  }
  scores.mode = judgement.rows[rows.front()].mode;
  scores.median_abs_error = median_error;
  scores.p90_abs_error = p90_error;
  scores.bias = median(std::move(signed_errors));
  scores.coverage50 = coverage(judgement, rows, &JudgedRow::half50);
  scores.coverage90 = coverage(judgement, rows, &JudgedRow::half90);
  scores.roofline_median = roofline_median;
  scores.roofline_p90 = roofline_p90;
  scores.constant_median = constant_median;
  scores.constant_p90 = constant_p90;
  return scores;
}

std::vector<KindRows> rows_by_kind(const Validation& validation) {
  const Judgement& judgement = validation.judgement;
  std::map<std::pair<std::string, JudgeMode>, RowSet> sets;
  for (std::uint32_t i = 0; i < judgement.rows.size(); ++i) {
    sets[{kind_of(validation, judgement.rows[i]), judgement.rows[i].mode}].push_back(i);
  }
  std::vector<KindRows> kinds;
  for (auto& [key, rows] : sets) {
    kinds.push_back({score(judgement, rows), std::move(rows)});
    kinds.back().scores.kind = key.first;
  }
  return kinds;
}

RowSet worst_rows(const Judgement& judgement, const RowSet& rows, std::size_t count) {
  RowSet worst(rows);
  const auto end = worst.begin() + static_cast<std::ptrdiff_t>(std::min(count, worst.size()));
  const auto larger = [&](std::uint32_t a, std::uint32_t b) {
    const double error_a = std::abs(judgement.rows[a].error());
    const double error_b = std::abs(judgement.rows[b].error());
    return error_a != error_b ? error_a > error_b : a < b;
  };
  std::partial_sort(worst.begin(), end, worst.end(), larger);
  worst.erase(end, worst.end());
  return worst;
}

std::string rows_text(std::size_t rows) { return integer_text(static_cast<std::int64_t>(rows)) + " rows"; }

std::string pair_text(double median, double p90) {
  return std::isfinite(median) ? percent_text(median) + " / " + percent_text(p90) : "-";
}

}  // namespace moesaic
