#include "apps/validate_steps.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "apps/output.hpp"
#include "apps/scenario.hpp"
#include "apps/select.hpp"
#include "base/error.hpp"
#include "calibrate/measured_step.hpp"
#include "reports/step_validation.hpp"

namespace moesaic {
namespace {

Deployment deploy(const MeasuredStep& step, const std::string& cost) {
  Scenario scenario;
  scenario.model = step.model;
  scenario.machine = step.device;
  scenario.map = step.mapping;
  scenario.dtype = step.precision;
  scenario.profile = cost;
  return make_deployment(scenario);
}

void keep(MeasuredSteps& steps, const ValidateStepsOptions& options) {
  if (options.device.empty() && options.stack.empty() && options.model.empty()) {
    return;
  }
  std::erase_if(steps.rows, [&](const MeasuredStep& step) {
    const std::string& engine = step.kind == StepKind::layer ? step.stack : step.software;
    return !matches(step.device, options.device) || !matches(engine, options.stack) ||
           !matches(step.model, options.model);
  });
  if (steps.rows.empty()) {
    throw UserError("no measured steps of this device, engine and model");
  }
}

std::string report(const std::string& format, const StepValidation& validation, const std::string& command, bool rich) {
  if (format == "json") {
    return step_validation_json(validation);
  }
  if (format == "csv") {
    return step_validation_csv(validation);
  }
  return format == "html" ? step_validation_page(validation, command)
                          : step_validation_text(validation, {.rich = rich});
}

}  // namespace

void validate_steps(const ValidateStepsOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  check_output("--json", options.json_file);
  check_output("--csv", options.csv_file);
  check_output("--html", options.html_file);
  const std::string data = options.data.empty() ? default_operator_data().parent_path().string() : options.data;
  MeasuredSteps steps = read_measured_steps(data);
  keep(steps, options);
  const StepJudgement judgement = judge_steps(steps, deploy, {.refit = options.refit});
  const StepValidation validation{judgement, {data}};
  const auto write = [&](const std::string& option, const std::string& format, const std::string& file) {
    if (!file.empty()) {
      write_result(report(format, validation, command, false), file, console.out, option);
    }
  };
  write("--json", "json", options.json_file);
  write("--csv", "csv", options.csv_file);
  write("--html", "html", options.html_file);
  const bool rich = console.rich && options.output_file.empty();
  write_result(report(options.format, validation, command, rich), options.output_file, console.out);
}

}  // namespace moesaic
