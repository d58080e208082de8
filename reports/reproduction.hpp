// Published numbers beside predicted ones.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reports/expression.hpp"
#include "reports/report.hpp"
#include "reports/study.hpp"

namespace moesaic {

struct ReproducedRow {
  StudyRow row;
  double predicted = 0;  ///< in SI units
  double error = 0;      ///< predicted / published - 1; of a range: from its nearer end
  bool within = false;
  std::string partial;  ///< of its own run, if memory holds a part of the batch: how many requests run at once
  std::string unfit;    ///< why nothing is predicted: what would run does not fit into memory; else empty
};

struct Reproduction {
  Study study;
  std::vector<ReproducedRow> rows;
};

/// All numbers of a command's JSON by their path ("decode.seconds_per_step"); characters that no name has are '_'.
/// Throws UserError where the command fails.
using StudyRunner = std::function<NamedValues(const StudyRun&)>;

/// Works out all rows. Throws UserError.
Reproduction reproduce(const Study& study, const StudyRunner& run);

/// Scores of the rows that nothing was calibrated on.
struct ReproductionScores {
  std::size_t rows = 0, within = 0, calibrated = 0;
  struct Class {
    std::size_t rows = 0, within = 0;
    double median = 0, worst = 0;  ///< of |error|, of rows that have a prediction
  };
  Class closed_form, measured, ratio;
};
ReproductionScores reproduction_scores(const std::vector<Reproduction>& studies);

std::string reproduction_text(const std::vector<Reproduction>& studies, const TextStyle& style);
/// The contract of configs/schema/reproduction.json.
std::string reproduction_json(const std::vector<Reproduction>& studies);
std::string reproduction_page(const std::vector<Reproduction>& studies, const std::string& command);

}  // namespace moesaic
