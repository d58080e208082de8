// One line per judged collective or exchange, for people's own statistics. Times in microseconds.
#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "calibrate/csv.hpp"
#include "reports/collective_validation.hpp"

namespace moesaic {
namespace {

/// Zero: there is no such prediction.
std::string microseconds(double seconds) { return seconds > 0 ? fmt::format("{:.6g}", seconds * 1e6) : ""; }

}  // namespace

std::string collective_validation_csv(const CollectiveValidation& run) {
  const Validation& validation = run.validation;
  std::string text =
      "place,collective,implementation,device,dtype,ranks,size,shape,mode,file,line,measured_us,predicted_us,"
      "low90_us,high90_us,closed_form_us,one_efficiency_us,error\n";
  for (const JudgedRow& row : validation.judgement.rows) {
    const Measurement& measurement = measurement_of(validation, row);
    const MeasurementKey& key = key_of(validation, row);
    const double factor = std::exp(row.half90);
    fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{:.4f}\n",
                   name(node_place(validation, row)), csv_field(collective_of(key)), csv_field(implementation_of(key)),
                   csv_field(key.device), csv_field(key.dtype), ranks_text(key, measurement.shape),
                   csv_field(size_text(key, measurement.shape)), shape_text(measurement, key.family), name(row.mode),
                   csv_field(validation.measurements.files[measurement.file]), measurement.line,
                   microseconds(row.measured), microseconds(row.predicted), microseconds(row.predicted / factor),
                   microseconds(row.predicted * factor), microseconds(row.roofline), microseconds(row.constant),
                   row.error());
  }
  return text;
}

}  // namespace moesaic
