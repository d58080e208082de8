#include "apps/validate.hpp"

#include <CLI/CLI.hpp>

#include "apps/validate_collectives.hpp"
#include "apps/validate_hybrid.hpp"
#include "apps/validate_operators.hpp"
#include "apps/validate_steps.hpp"

namespace moesaic {
namespace {

void add_operators(CLI::App& validate, ValidateOperatorsOptions& options) {
  CLI::App& command = *validate.add_subcommand("operators", "Measured kernels against fits that have not seen them");
  const auto list = [&command](const char* name, std::vector<std::string>& values, const char* what, const char* type) {
    return command.add_option(name, values, what)->type_name(type);
  };
  list("--data", options.data,
       "Measurements: files or folders (default: measured/operator in the folder $MOESAIC_DATA)", "DIR");
  list("--profile", options.profiles,
       "Judge by these profiles (default: by shipped ones on shapes that they have not "
       "seen, by leaving out on the others)",
       "NAME|FILE")
      ->delimiter(',');
  list("--train", options.train, "Fit on these files or folders, judge all of --data by it", "DIR");
  list("--transfer", options.transfers, "Fit on the first device, judge the rows of the others from their figures only",
       "FROM:TO,TO")
      ->delimiter(',');
  command.add_flag("--leave-out", options.leave_out, "Judge every row by a fit without its whole shape");
  command.add_option("--device", options.device, "Only devices whose name has this part; * stands for anything")
      ->type_name("PATTERN");
  command.add_option("--stack", options.stack, "Only software stacks whose name has this part; * stands for anything")
      ->type_name("PATTERN");
  list("--kind", options.kinds, "Only these operators: gemm, attention_decode, moe, ...", "NAME")->delimiter(',');
  command.add_option("--format", options.format, "Output: text, json, csv or html")
      ->check(CLI::IsMember({"text", "json", "csv", "html"}))
      ->type_name("FORMAT");
  command.add_option("--json", options.json_file, "Also write JSON to this file")->type_name("FILE");
  command.add_option("--csv", options.csv_file, "Also write one line for each row to this file")->type_name("FILE");
  command.add_option("--html", options.html_file, "Also write a page to this file")->type_name("FILE");
  command.add_option("-o,--output-file", options.output_file, "Write to this file instead of standard output")
      ->type_name("FILE");
  command.footer("Example:\n  moesaic validate operators --leave-out --kind gemm --device l40s --html operators.html");
}

void add_steps(CLI::App& validate, ValidateStepsOptions& options) {
  CLI::App& command = *validate.add_subcommand("steps", "Measured steps of whole networks against predictions");
  const auto text = [&command](const char* name, std::string& value, const char* what, const char* type) {
    return command.add_option(name, value, what)->type_name(type);
  };
  text("--data", options.data, "Folder with e2e/ and operator/ (default: measured in the folder $MOESAIC_DATA)", "DIR");
  text("--device", options.device, "Only devices whose name has this part; * stands for anything", "PATTERN");
  text("--stack", options.stack, "Only engines whose name has this part; * stands for anything", "PATTERN");
  text("--model", options.model, "Only models whose name has this part; * stands for anything", "PATTERN");
  command.add_flag("--refit", options.refit,
                   "Use the engines' terms that the fitted half of these rows gives, not the shipped ones");
  text("--format", options.format, "Output: text, json, csv or html", "FORMAT")
      ->check(CLI::IsMember({"text", "json", "csv", "html"}));
  text("--json", options.json_file, "Also write JSON to this file", "FILE");
  text("--csv", options.csv_file, "Also write one line for each step to this file", "FILE");
  text("--html", options.html_file, "Also write a page to this file", "FILE");
  text("-o,--output-file", options.output_file, "Write to this file instead of standard output", "FILE");
  command.footer("Example:\n  moesaic validate steps --csv steps.csv");
}

}  // namespace

CLI::App* add_validate_command(CLI::App& app, ValidateOptions& options) {
  CLI::App* validate = app.add_subcommand("validate", "How far predictions are from measurements");
  validate->require_subcommand(1);
  validate->footer("Example:\n  moesaic validate steps");
  add_operators(*validate, options.operators);
  add_steps(*validate, options.steps);
  add_validate_collectives(*validate, options.collectives);
  add_validate_hybrid(*validate, options.hybrid);
  return validate;
}

void run_validate(const CLI::App& validate, const ValidateOptions& options, const std::string& command,
                  const Console& console) {
  if (validate.got_subcommand("operators")) {
    validate_operators(options.operators, command, console);
  } else if (validate.got_subcommand("steps")) {
    validate_steps(options.steps, command, console);
  } else if (validate.got_subcommand("collectives")) {
    validate_collectives(options.collectives, command, console);
  } else if (validate.got_subcommand("hybrid")) {
    validate_hybrid(options.hybrid, console);
  }
}

}  // namespace moesaic
