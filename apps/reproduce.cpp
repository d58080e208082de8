#include "apps/reproduce.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "apps/output.hpp"
#include "apps/study_runner.hpp"
#include "base/catalog.hpp"
#include "reports/reproduction.hpp"

namespace moesaic {
namespace {

std::vector<CatalogEntry> chosen_studies(const std::vector<std::string>& typed) {
  if (typed.empty()) {
    return list_catalog("studies");
  }
  std::vector<CatalogEntry> studies;
  for (const std::string& name : typed) {
    // A word that several studies share means all of them: "deepep" is deepep-normal and deepep-low-latency.
    std::vector<CatalogEntry> found;
    for (const CatalogEntry& entry : list_catalog("studies")) {
      if (entry.name.starts_with(name)) {
        found.push_back(entry);
      }
    }
    if (found.empty()) {
      found.push_back(find_in_catalog("studies", "study", name));
    }
    studies.insert(studies.end(), found.begin(), found.end());
  }
  return studies;
}

std::string list_text() {
  std::string text;
  for (const CatalogEntry& entry : list_catalog("studies")) {
    const Study study = read_study(Config::load(entry.file));
    text += fmt::format("{:<26} {:>3} rows  {}\n", entry.name, study.rows.size(), study.title);
  }
  return text;
}

}  // namespace

CLI::App* add_reproduce_command(CLI::App& app, ReproduceOptions& options) {
  CLI::App* command = app.add_subcommand("reproduce", "Published numbers beside predicted ones, with their errors");
  command->add_option("systems", options.systems, "Studies: names, beginnings of names, or files (default: all)")
      ->type_name("NAME|FILE");
  command->add_flag("--list", options.list, "The studies, without running them");
  command->add_option("--format", options.format, "Output: text, json or html")
      ->check(CLI::IsMember({"text", "json", "html"}))
      ->type_name("FORMAT");
  command->add_option("-o,--output-file", options.output_file, "Write to this file instead of standard output")
      ->type_name("FILE");
  command->footer("Example:\n  moesaic reproduce deepep");
  return command;
}

void run_reproduce(const ReproduceOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  if (options.list) {
    write_result(list_text(), options.output_file, console.out);
    return;
  }
  std::vector<Reproduction> studies;
  const std::vector<CatalogEntry> chosen = chosen_studies(options.systems);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (console.progress) {
      console.err << fmt::format("\r\x1b[K{} of {}: {}", i + 1, chosen.size(), chosen[i].name) << std::flush;
    }
    const Study study = read_study(Config::load(chosen[i].file));
    StudyCommands commands(study);
    studies.push_back(reproduce(study, [&](const StudyRun& run) { return commands.run(run); }));
  }
  if (console.progress) {
    console.err << "\r\x1b[K" << std::flush;
  }
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json"   ? reproduction_json(studies)
               : options.format == "html" ? reproduction_page(studies, command)
                                          : reproduction_text(studies, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
