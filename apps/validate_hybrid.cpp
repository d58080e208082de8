#include "apps/validate_hybrid.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <ostream>

#include "apps/output.hpp"
#include "apps/select.hpp"
#include "apps/study_runner.hpp"
#include "base/catalog.hpp"
#include "base/error.hpp"
#include "reports/measured_tables.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

fs::path find_table(const fs::path& folder, const std::string& name) {
  for (const fs::path& inside : {fs::path(), fs::path("e2e"), fs::path("measured") / "e2e"}) {
    std::error_code error;
    if (fs::path file = folder / inside / name; fs::is_regular_file(file, error)) {
      return file;
    }
  }
  return {};
}

std::string report(const std::string& format, const MeasuredJudgement& judgement, bool rich) {
  return format == "json"  ? measured_tables_json(judgement)
         : format == "csv" ? measured_tables_csv(judgement)
                           : measured_tables_text(judgement, {.rich = rich});
}

}  // namespace

void add_validate_hybrid(CLI::App& validate, ValidateHybridOptions& options) {
  CLI::App& command =
      *validate.add_subcommand("hybrid", "Published tables of CPU-GPU systems against predictions of placements");
  const auto text = [&command](const char* name, std::string& value, const char* what, const char* type) {
    return command.add_option(name, value, what)->type_name(type);
  };
  text("--data", options.data, "Folder with the tables (default: measured/e2e in the folder $MOESAIC_DATA)", "DIR");
  text("--tables", options.tables, "How the rows are predicted: a name or file (default: hybrid)", "NAME|FILE");
  text("--group", options.group, "Only groups whose name has this part; * stands for anything", "PATTERN");
  text("--format", options.format, "Output: text, json or csv", "FORMAT")
      ->check(CLI::IsMember({"text", "json", "csv"}));
  text("--json", options.json_file, "Also write JSON to this file", "FILE");
  text("--csv", options.csv_file, "Also write one line for each number to this file", "FILE");
  text("-o,--output-file", options.output_file, "Write to this file instead of standard output", "FILE");
  command.footer("Example:\n  moesaic validate hybrid --csv hybrid.csv");
}

void validate_hybrid(const ValidateHybridOptions& options, const Console& console) {
  check_output("-o", options.output_file);
  check_output("--json", options.json_file);
  check_output("--csv", options.csv_file);
  const MeasuredTables tables =
      read_measured_tables(Config::load(find_in_catalog("validation", "tables", options.tables).file));
  const fs::path folder = options.data.empty() ? default_operator_data().parent_path() : fs::path(options.data);
  StudyCommands commands(tables.definitions);
  JudgeTables with{.find = [&](const std::string& name) { return find_table(folder, name); },
                   .run = [&](const StudyRun& run) { return commands.run(run); },
                   .wanted = {},
                   .progress = {}};
  if (!options.group.empty()) {
    with.wanted = [&](const std::string& name) { return matches(name, options.group); };
  }
  if (console.progress) {
    with.progress = [&](std::size_t done, std::size_t total) {
      console.err << fmt::format("\r\x1b[Krow {} of {}", done, total) << std::flush;
    };
  }
  const MeasuredJudgement judgement = judge_tables(tables, with);
  if (console.progress) {
    console.err << "\r\x1b[K" << std::flush;
  }
  if (judgement.rows.empty() && judgement.left_out.empty()) {
    throw UserError(options.group.empty() ? std::string("the tables have no rows")
                                          : fmt::format("--group: no group is called '{}'", printable(options.group)));
  }
  if (!options.json_file.empty()) {
    write_result(report("json", judgement, false), options.json_file, console.out, "--json");
  }
  if (!options.csv_file.empty()) {
    write_result(report("csv", judgement, false), options.csv_file, console.out, "--csv");
  }
  write_result(report(options.format, judgement, console.rich && options.output_file.empty()), options.output_file,
               console.out);
}

}  // namespace moesaic
