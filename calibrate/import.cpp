#include "calibrate/import.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 5> kMayBeZero = {"window", "prefix_len", "skew", "num_sms",
                                                        "balanced_by_copies"};
constexpr double kLargestWhole = 1e15;  // beyond it not every whole number is a double
constexpr std::size_t kLongestName = 200;

void check_name(std::string_view column, std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (text.size() > kLongestName || std::any_of(text.begin(), text.end(), is_control)) {
    throw BadRow(fmt::format("{}: '{}' is longer than {} bytes or has control characters", column, printable(text, 40),
                             kLongestName));
  }
}

}  // namespace

void MeasurementSink::begin_file(const std::string& file, std::string_view place) {
  place_ = place;
  result_.measurements.files.push_back(file);
  by_texts_.clear();
  last_texts_ = {'\0'};  // equal to no row's texts
  rows_ = bad_ = 0;
  bad_rows_ = unused_rows_ = {file, 0, ""};
}

void MeasurementSink::begin_row(std::uint32_t line) {
  line_ = line;
  ++rows_;
  row_start_ = result_.measurements.rows.size();
}

void MeasurementSink::bad_row(std::string_view reason) {
  result_.measurements.rows.resize(row_start_);
  ++bad_;
  if (bad_rows_.rows++ == 0) {
    bad_rows_.first_reason = fmt::format("{} {}: {}", place_, line_, reason);
  }
}

void MeasurementSink::unused_row(std::string_view reason) {
  if (unused_rows_.rows++ == 0) {
    unused_rows_.first_reason = fmt::format("{} {}: {}", place_, line_, reason);
  }
}

void MeasurementSink::end_file(const ReadOptions& options) {
  if (static_cast<double>(bad_) > options.most_bad * static_cast<double>(rows_)) {
    throw UserError(fmt::format("{}: {} of {} rows cannot be used, more than {:g}%: {}", printable(file(), 400), bad_,
                                rows_, options.most_bad * 100, bad_rows_.first_reason));
  }
  for (const SkippedRows& skipped : {bad_rows_, unused_rows_}) {
    if (skipped.rows > 0) {
      result_.skipped.push_back(skipped);
    }
  }
}

void MeasurementSink::add(std::uint32_t key, const ShapeValues& shape, Seconds latency) {
  const FamilyDescription& family = describe(key_at(key).family);
  for (std::size_t i = 0; i < family.shape.size(); ++i) {
    const double value = shape[i];
    const bool may_be_zero = std::find(kMayBeZero.begin(), kMayBeZero.end(), family.shape[i]) != kMayBeZero.end();
    if (!(value <= kLargestWhole) || value < 0 || (value == 0 && !may_be_zero)) {
      throw BadRow(fmt::format("{}: '{}' is not {} number up to {:g}", family.shape[i], value,
                               may_be_zero ? "zero or a positive" : "a positive", kLargestWhole));
    }
  }
  if (!(latency.value > 0) || !std::isfinite(latency.value)) {
    throw BadRow(fmt::format("latency_us: '{}' is not a positive number", number_text(latency.value, -6)));
  }
  result_.measurements.rows.push_back(
      {key, static_cast<std::uint32_t>(result_.measurements.files.size() - 1), line_, shape, latency});
}

std::uint32_t MeasurementSink::index(const MeasurementKey& key) {
  const auto found = keys_.find(key);
  if (found != keys_.end()) {
    return found->second;
  }
  check_name("device", key.device);
  check_name("stack", key.stack);
  check_name("dtype", key.dtype);
  check_name("kv_dtype", key.kv_dtype);
  check_name("kernel", key.kernel);
  std::vector<MeasurementKey>& keys = result_.measurements.keys;
  keys.push_back(key);
  return keys_[key] = static_cast<std::uint32_t>(keys.size() - 1);
}

}  // namespace moesaic
