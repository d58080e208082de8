// What people read of fits judged by measurements: text, JSON (a versioned contract), CSV, and a page.
#pragma once

#include <string>
#include <vector>

#include "calibrate/judge.hpp"
#include "reports/report.hpp"

namespace moesaic {

/// One validation run. The judgement is of these measurements.
struct Validation {
  const Measurements& measurements;
  const Judgement& judgement;
  std::vector<std::string> data;  ///< files and folders as the user gave them
  std::size_t seen_rows = 0;      ///< judged rows whose whole shape the profile was fitted on: no proof of anything
};

/// Scores by kind, then by device and stack, beside the baselines and the project's targets; the worst rows.
std::string validation_text(const Validation& validation, const TextStyle& style);
/// The contract of configs/schema/validation.json; `version` "1". Times in seconds, errors as fractions.
std::string validation_json(const Validation& validation);
/// One line per judged row.
std::string validation_csv(const Validation& validation);
/// One self-contained HTML page: predicted against measured by kind, errors beside the baselines, tables.
std::string validation_page(const Validation& validation, const std::string& command);

}  // namespace moesaic
