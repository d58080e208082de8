// One line per judged row, for people's own statistics. Times in microseconds, as measurements have them.
#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "reports/validation_scores.hpp"

namespace moesaic {
namespace {

constexpr double kMicrosecond = 1e-6;

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string result = "\"";
  for (const char c : text) {
    result += c == '"' ? "\"\"" : std::string(1, c);
  }
  return result + '"';
}

}  // namespace

std::string validation_csv(const Validation& validation) {
  std::string text =
      "operator,device,stack,dtype,kv_dtype,kernel,shape,mode,measured_us,predicted_us,low90_us,high90_us,error\n";
  std::vector<std::string> keys;
  for (const MeasurementKey& key : validation.measurements.keys) {
    keys.push_back(fmt::format("{},{},{},{},{},{}", name(key.family), quoted(key.device), quoted(key.stack),
                               quoted(key.dtype), quoted(key.kv_dtype), quoted(key.kernel)));
  }
  for (const JudgedRow& row : validation.judgement.rows) {
    const Measurement& measurement = measurement_of(validation, row);
    const double predicted = row.predicted / kMicrosecond;
    const double factor = std::exp(row.half90);
    fmt::format_to(std::back_inserter(text), "{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.4f}\n", keys[measurement.key],
                   shape_text(measurement, key_of(validation, row).family), name(row.mode), row.measured / kMicrosecond,
                   predicted, predicted / factor, predicted * factor, row.error());
  }
  return text;
}

}  // namespace moesaic
