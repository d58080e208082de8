// One line per judged step, for people's own statistics. Times in milliseconds.
#include <fmt/format.h>

#include <iterator>

#include "calibrate/csv.hpp"
#include "reports/step_validation.hpp"

namespace moesaic {

std::string step_validation_csv(const StepValidation& validation) {
  std::string text =
      "kind,half,device,software,kernels,model,precision,mapping,concurrency,input,output,file,line,measured_ms,"
      "predicted_ms,kernels_ms,efficiency_ms,peak_ms,launches,error\n";
  for (const JudgedStep& row : validation.judgement.rows) {
    const MeasuredStep& step = row.step;
    double launches = 0;
    for (const WeightedParts& parts : row.parts) {
      launches += parts.weight * parts.parts.launches;
    }
    const auto ms = [](Seconds time) { return time.value * 1e3; };
    fmt::format_to(std::back_inserter(text),
                   "{},{},{},{},{},{},{},{},{},{},{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.4f}\n",
                   name(step.kind), row.fitted ? "fitted" : "scored", csv_field(step.device), csv_field(step.software),
                   csv_field(row.kernels), csv_field(step.model), csv_field(step.format), csv_field(step.mapping),
                   step.batch, step.input, step.output, csv_field(step.file), step.line, ms(step.measured),
                   ms(row.predicted[0]), ms(row.predicted[1]), ms(row.predicted[2]), ms(row.predicted[3]), launches,
                   row.error(StepBasis::measured));
  }
  return text;
}

}  // namespace moesaic
