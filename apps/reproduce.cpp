#include "apps/reproduce.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "apps/options.hpp"
#include "apps/output.hpp"
#include "apps/study_runner.hpp"
#include "base/catalog.hpp"
#include "reports/reproduction.hpp"

namespace moesaic {
namespace {

/// Empty if the study has none.
std::string group_of(const CatalogEntry& entry) { return Config::load(entry.file).string_or("group", ""); }

/// Each study once, in the order asked for.
std::vector<CatalogEntry> chosen_studies(const std::vector<std::string>& typed) {
  std::vector<CatalogEntry> shipped = list_catalog("studies");
  if (typed.empty()) {
    return shipped;
  }
  std::vector<std::string> groups;
  groups.reserve(shipped.size());
  for (const CatalogEntry& entry : shipped) {
    groups.push_back(group_of(entry));
  }
  std::vector<CatalogEntry> studies;
  for (const std::string& name : typed) {
    // A word that several studies share means all of them: "deepep" is deepep-normal and deepep-low-latency.
    std::vector<CatalogEntry> found;
    for (std::size_t i = 0; i < shipped.size() && !name.empty(); ++i) {
      if (shipped[i].name.starts_with(name) || groups[i].starts_with(name)) {
        found.push_back(shipped[i]);
      }
    }
    if (found.empty()) {
      found.push_back(find_in_catalog("studies", "study", name));
    }
    for (const CatalogEntry& entry : found) {
      const auto same = [&](const CatalogEntry& chosen) { return chosen.file == entry.file; };
      if (std::none_of(studies.begin(), studies.end(), same)) {
        studies.push_back(entry);
      }
    }
  }
  return studies;
}

std::string study_list() {
  std::string text;
  for (const CatalogEntry& entry : list_catalog("studies")) {
    const Study study = read_study(Config::load(entry.file));
    text += fmt::format("{:<26} {:<9} {:>3} rows  {}\n", entry.name, study.group, study.rows.size(), study.title);
  }
  return text;
}

}  // namespace

CLI::App* add_reproduce_command(CLI::App& app, ReproduceOptions& options) {
  CLI::App* command = app.add_subcommand("reproduce", "Published numbers beside predicted ones, with their errors");
  command
      ->add_option("systems", options.systems, "Studies: names, groups, beginnings of either, or files (default: all)")
      ->type_name("NAME|FILE");
  command->add_flag("--list", options.list, "The studies, without running them");
  add_output_options(*command, options.format, options.output_file, {"text", "json", "html"});
  command->footer("Example:\n  moesaic reproduce deepep");
  return command;
}

void run_reproduce(const ReproduceOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  if (options.list) {
    write_result(study_list(), options.output_file, console.out);
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
