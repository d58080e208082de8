// What all reports of a validation share: scores of any set of rows, targets, the worst rows, names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reports/validation.hpp"

namespace moesaic {

std::string kind_of(const Validation& validation, const JudgedRow& row);
/// Where the row stands, "gemm/h100.csv:17": below the folder that was given.
std::string place_of(const Validation& validation, const JudgedRow& row);

const Measurement& measurement_of(const Validation& validation, const JudgedRow& row);
const MeasurementKey& key_of(const Validation& validation, const JudgedRow& row);

/// Rows that are scored together: indices into Judgement::rows.
using RowSet = std::vector<std::uint32_t>;

/// Rows of one kind and mode over all devices and stacks, and their scores (device, stack and dtype are empty).
struct KindRows {
  JudgedGroup scores;
  RowSet rows;
};
/// Sorted by kind and mode.
std::vector<KindRows> rows_by_kind(const Validation& validation);

/// Worst rows that reports show of each kind.
inline constexpr std::size_t kWorstShown = 10;
/// The rows with the largest |error|, largest first.
RowSet worst_rows(const Judgement& judgement, const RowSet& rows, std::size_t count);

/// Those rows as a table of text: error, measured, predicted, kernel, shape and where they stand.
std::string worst_rows_text(const Validation& validation, const RowSet& rows, const TextStyle& style);

/// "1,234 rows".
std::string rows_text(std::size_t rows);
/// A median and the value that nine tenths are below: "12.3% / 40.5%"; "-" where there is none.
std::string pair_text(double median, double p90);

/// Rows, errors, coverage and baselines; kind, dtype and the like stay empty.
JudgedGroup score(const Judgement& judgement, const RowSet& rows);

/// An accuracy that the project asks of itself.
struct AccuracyTarget {
  std::string_view name;
  std::string_view kind;   ///< empty: all
  std::string_view dtype;  ///< how the data type begins; empty: all
  double median_abs_error = 0;
  double p90_abs_error = 0;
};
/// Null if there is none, also for an empty dtype where it depends on the data type.
const AccuracyTarget* find_target(std::string_view kind, std::string_view dtype, JudgeMode mode);
bool meets(const AccuracyTarget& target, const JudgedGroup& scores);
/// Whether 90% intervals are neither too narrow nor too wide for what the project asks.
bool intervals_hold(const JudgedGroup& scores);

/// Scores of all rows that one target is about, and how many groups of one device, stack and data type meet it. Targets
/// without rows are left out.
struct TargetScores {
  const AccuracyTarget* target = nullptr;
  JudgedGroup scores;
  std::size_t groups = 0;
  std::size_t groups_met = 0;
};
std::vector<TargetScores> target_scores(const Validation& validation);

}  // namespace moesaic
