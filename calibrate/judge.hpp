// Judging fits by measurements that they have not seen.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calibrate/measurement.hpp"
#include "calibrate/profile.hpp"

namespace moesaic {

/// How a row's prediction came about.
enum class JudgeMode : std::uint8_t {
  profile,   ///< by a shipped or given profile that has not seen the row's whole shape
  trained,   ///< by a fit on other measurements (--train)
  left_out,  ///< by a fit on the other whole shapes of the same device and stack
  borrowed,  ///< by another device's fit, scaled by this device's figures
};
std::string_view name(JudgeMode mode);

/// One measured row beside what was predicted for it, all in seconds.
struct JudgedRow {
  std::uint32_t row = 0;  ///< index into Measurements::rows
  JudgeMode mode = JudgeMode::left_out;
  double predicted = 0;
  double half50 = 0;  ///< of the logarithm: the 50% interval is predicted * exp(+-half50)
  double half90 = 0;
  double roofline = 0;   ///< at peak rates
  double constant = 0;   ///< roofline over one efficiency per device, stack and kernel (median on the rows fitted on)
  double error() const;  ///< of `predicted` against `measured`, relative; set by judge()
  double measured = 0;
};

/// Scores of the rows of one device, stack, family and data type (and balanced or skewed, for experts).
struct JudgedGroup {
  std::string device;
  std::string stack;
  std::string kind;   ///< family name; experts: "moe balanced", "moe skewed"
  std::string dtype;  ///< "bf16", "bf16 kv=fp8"
  JudgeMode mode = JudgeMode::left_out;
  std::size_t rows = 0;
  double median_abs_error = 0;
  double p90_abs_error = 0;
  double bias = 0;        ///< median of predicted / measured - 1
  double coverage50 = 0;  ///< share of rows inside their interval
  double coverage90 = 0;
  double roofline_median = 0, roofline_p90 = 0;  ///< the same errors of a plain peak roofline
  double constant_median = 0, constant_p90 = 0;  ///< and with one efficiency per kind
};

/// What groups are scored by: the kind and the data type of a row, as JudgedGroup has them.
std::string judged_kind(const MeasurementKey& key, const Measurement& row);
std::string judged_dtype(const MeasurementKey& key);

struct Judgement {
  std::vector<JudgedRow> rows;
  std::vector<JudgedGroup> groups;             ///< sorted by device, stack, kind, dtype
  std::size_t not_judged = 0;                  ///< rows that no fit covers
  std::string why_not;                         ///< of the first of them
  std::map<std::string, std::size_t> reasons;  ///< why, and how many of them
};

/// What a fold leaves out together.
enum class HeldOut : std::uint8_t {
  whole_shape,  ///< whole_shape(): a message size, the dimensions of an expert layer, ...
  size,         ///< of communication: a message size, a number of tokens of a rank
  ranks,        ///< of communication: a number of ranks on a number of nodes
};
/// "shape", "size", "ranks".
std::string_view name(HeldOut held_out);
/// The text that rows held out together have in common. Families without sizes and ranks have whole shapes only.
std::string held_together(const Measurement& row, Family family, HeldOut held_out);

struct JudgeOptions {
  /// Judge by these profiles; empty: by shipped ones that have not seen a row's whole shape, else by leaving out.
  std::vector<Profile> profiles;
  /// Fit on these and judge all rows by it.
  const Measurements* train = nullptr;
  bool leave_out = false;  ///< always by leaving out
  HeldOut held_out = HeldOut::whole_shape;
  int folds = 5;
  std::function<void(std::size_t done, std::size_t total, const std::string& what)> progress;
};

/// Predicts every row by a fit that has not seen its whole shape, and scores the groups.
Judgement judge(const Measurements& measurements, const JudgeOptions& options);

/// Sets `constant` of every row: its roofline over the median fraction of it that rows of the same device, stack and
/// kernel achieve. Rows without a roofline have none.
void set_constant_efficiency(Judgement& judgement, const Measurements& measurements);

/// Fitted on all rows of `from_device`, every row of `to_device` predicted from its figures only. The judged rows are
/// indices into `measurements`.
Judgement judge_transfer(const Measurements& measurements, const std::string& from_device,
                         const std::string& to_device);

}  // namespace moesaic
