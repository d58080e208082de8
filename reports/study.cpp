#include "reports/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 3> kClasses = {"closed-form", "measured", "ratio"};
constexpr std::array<double, 3> kStudyTargets = {0, 0.25, 0.15};
constexpr std::array<std::string_view, 9> kFolders = {"machines", "topologies", "models",  "placements", "routings",
                                                      "layers",   "profiles",   "engines", "traces"};

RowClass read_class(const Config& config) {
  const std::string text = config.string();
  const auto found = std::find(kClasses.begin(), kClasses.end(), text);
  if (found == kClasses.end()) {
    config.fail(fmt::format("unknown class '{}'{}", printable(text),
                            suggest(text, std::vector<std::string>(kClasses.begin(), kClasses.end()))));
  }
  return static_cast<RowClass>(found - kClasses.begin());
}

/// A value of an option as the command line takes it; a list is joined by commas, true is a flag.
std::string option_text(const Config& value) {
  if (value.is_array()) {
    std::string joined;
    for (const Config& element : value.elements()) {
      joined += (joined.empty() ? "" : ",") + option_text(element);
    }
    return joined;
  }
  if (value.is_boolean()) {
    return "";
  }
  if (value.is_number()) {
    return value.dump();
  }
  return value.string();
}

Amount read_published(const Config& config) {
  if (config.is_boolean()) {
    const double value = config.boolean() ? 1 : 0;
    return {.least = value, .most = value};
  }
  try {
    return parse_amount(config.is_number() ? config.dump() : config.string());
  } catch (const UserError& error) {
    config.fail(error.what());
  }
}

double read_target(const Config& config) {
  double target = config.is_string() ? read_published(config).least : config.number();
  if (target < 0 || target > 10) {
    config.fail("must be a share from 0 to 10, for example 0.25 or \"25%\"");
  }
  return target;
}

std::array<double, 3> read_targets(const Config& study) {
  std::array<double, 3> targets = kStudyTargets;
  if (const auto config = study.find("targets")) {
    for (std::size_t i = 0; i < kClasses.size(); ++i) {
      if (const auto target = config->find(kClasses[i])) {
        targets[i] = read_target(*target);
      }
    }
  }
  return targets;
}

StudyRow read_row(const Config& config, const std::array<double, 3>& targets) {
  StudyRow row{.id = config.at("id").string(),
               .quantity = config.at("quantity").string(),
               .where = config.string_or("where", ""),
               .reason = config.string_or("reason", ""),
               .published = read_published(config.at("published")),
               .kind = read_class(config.at("class")),
               .calibrated = config.boolean_or("calibrated", false),
               .formula = config.at("predicted").string(),
               .run = std::nullopt,
               .origin = config};
  row.target = targets[static_cast<std::size_t>(row.kind)];
  if (const auto target = config.find("target")) {
    row.target = read_target(*target);
  }
  if (const auto run = config.find("run")) {
    row.run = read_run("it", *run);
  }
  return row;
}

/// The row once for every entry of its "for", with {KEY} in its texts replaced by the entry's value of KEY.
std::vector<Config> written_out(const Config& row) {
  const auto entries = row.find("for");
  if (!entries) {
    return {row};
  }
  std::vector<Config> rows;
  for (const Config& entry : entries->elements()) {
    std::string text = row.dump();
    for (const std::string& key : entry.keys()) {
      const Config value = entry.at(key);
      const std::string replacement = value.is_string() ? value.string() : value.dump();
      if (replacement.find_first_of("\"\\") != replacement.npos) {
        value.fail("must not hold quotes or backslashes");
      }
      for (auto at = text.find("{" + key + "}"); at != text.npos; at = text.find("{" + key + "}", at)) {
        text.replace(at, key.size() + 2, replacement);
        at += replacement.size();
      }
    }
    Config filled = Config::parse(text, fmt::format("{}: {}", row.origin(), entry.path()));
    filled.at("for");
    rows.push_back(filled);
  }
  if (rows.empty()) {
    entries->fail("has no entries");
  }
  return rows;
}

}  // namespace

std::string_view to_text(RowClass kind) { return kClasses[static_cast<std::size_t>(kind)]; }

StudyRun read_run(const std::string& name, const Config& config) {
  const std::vector<std::string> commands = config.keys();
  if (commands.size() != 1) {
    config.fail(
        "needs one command, for example {\"predict\": {\"model\": \"Mixtral-8x7B\", \"machine\": \"dgx-h100\"}}");
  }
  StudyRun run{name, commands.front(), {}, config};
  const Config options = config.at(run.command);
  for (const std::string& key : options.keys()) {
    const Config value = options.at(key);
    if (value.is_boolean() && !value.boolean()) {
      continue;
    }
    if (key == "set" && value.is_array()) {  // may be repeated
      for (const Config& one : value.elements()) {
        run.options.emplace_back(key, option_text(one));
      }
    } else {
      run.options.emplace_back(key, option_text(value));
    }
  }
  return run;
}

std::vector<Study::Definition> read_definitions(const Config& config) {
  std::vector<Study::Definition> definitions;
  const auto define = config.find("define");
  if (!define) {
    return definitions;
  }
  for (const std::string& folder : define->keys()) {
    if (std::find(kFolders.begin(), kFolders.end(), folder) == kFolders.end()) {
      define->at(folder).fail(fmt::format("unknown kind of file '{}'{}", printable(folder),
                                          suggest(folder, std::vector<std::string>(kFolders.begin(), kFolders.end()))));
    }
    for (const std::string& name : define->at(folder).keys()) {
      const Config content = define->at(folder).at(name);
      if (name.find('/') != name.npos || name.empty()) {
        content.fail("the name of a definition must not be empty nor hold '/'");
      }
      for (const Study::Definition& other : definitions) {
        if (other.name == name) {
          content.fail(fmt::format("'{}' is the name of one of \"{}\" too; all definitions of a study have their own",
                                   printable(name), other.folder));
        }
      }
      definitions.push_back({folder, name, content});
    }
  }
  return definitions;
}

Study read_study(const Config& config) {
  static const std::vector<std::string> kKeys = {"system", "title",  "source", "group", "note",   "sources",
                                                 "define", "values", "runs",   "rows",  "targets"};
  for (const std::string& key : config.keys()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      config.at(key).fail(fmt::format("unknown key '{}'{}", printable(key), suggest(key, kKeys)));
    }
  }
  Study study{.system = config.at("system").string(),
              .title = config.string_or("title", ""),
              .source = config.at("source").string(),
              .group = config.string_or("group", ""),
              .note = config.string_or("note", ""),
              .values = {},
              .runs = {},
              .rows = {},
              .definitions = read_definitions(config)};
  if (const auto values = config.find("values")) {
    for (const std::string& name : values->keys()) {
      study.values.emplace_back(name, values->at(name));
    }
  }
  if (const auto runs = config.find("runs")) {
    for (const std::string& name : runs->keys()) {
      study.runs.push_back(read_run(name, runs->at(name)));
    }
  }
  const std::array<double, 3> targets = read_targets(config);
  std::map<std::string, std::string> ids;  // by what formulas call them
  for (const Config& written : config.at("rows").elements()) {
    for (const Config& row : written_out(written)) {
      study.rows.push_back(read_row(row, targets));
      const StudyRow& read = study.rows.back();
      if (const auto [known, is_new] = ids.emplace(name_in_formulas(read), read.id); !is_new) {
        row.at("id").fail(known->second == read.id
                              ? fmt::format("'{}' is given twice", printable(read.id))
                              : fmt::format("'{}' and '{}' are both '{}' in formulas", printable(known->second),
                                            printable(read.id), printable(known->first)));
      }
      constexpr std::array<std::string_view, 1> kNotes = {"sources"};
      row.ignore(kNotes);
      row.reject_unknown();
    }
  }
  if (study.rows.empty()) {
    config.at("rows").fail("has no rows");
  }
  return study;
}

std::string name_in_formulas(const StudyRow& row) {
  std::string name = row.id;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; }, '_');
  return name;
}

}  // namespace moesaic
