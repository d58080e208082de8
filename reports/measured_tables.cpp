#include "reports/measured_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

std::vector<std::string> texts(const Config& config) {
  if (!config.is_array()) {
    return {config.is_number() ? config.dump() : config.string()};
  }
  std::vector<std::string> result;
  for (const Config& element : config.elements()) {
    result.push_back(element.is_number() ? element.dump() : element.string());
  }
  return result;
}

std::vector<MeasuredTables::File> read_files(const Config& config) {
  std::vector<MeasuredTables::File> files;
  for (const std::string& name : config.keys()) {
    files.push_back({name, texts(config.at(name).at("measured")), texts(config.at(name).at("about"))});
    config.at(name).reject_unknown();
  }
  return files;
}

const MeasuredTables::File& file_of(const MeasuredTables& tables, const Config& config) {
  const std::string name = config.string();
  std::vector<std::string> known;
  for (const MeasuredTables::File& file : tables.files) {
    if (file.name == name) {
      return file;
    }
    known.push_back(file.name);
  }
  config.fail(fmt::format("unknown file '{}'{}", printable(name), suggest(name, known)));
}

MeasuredGroup read_group(const Config& config, const MeasuredTables& tables) {
  MeasuredGroup group{.name = config.at("name").string(),
                      .file = config.at("file").string(),
                      .note = config.string_or("note", ""),
                      .left_out = config.string_or("left_out", ""),
                      .where = {},
                      .words = {},
                      .formulas = {},
                      .run = config,
                      .origin = config};
  const MeasuredTables::File& file = file_of(tables, config.at("file"));
  const Config where = config.at("where");
  for (const std::string& column : where.keys()) {
    group.where.emplace_back(column, texts(where.at(column)));
  }
  if (const auto words = config.find("words")) {
    for (const std::string& column : words->keys()) {
      const Config of = words->at(column);
      for (const std::string& content : of.keys()) {
        group.words[column][content] = texts(of.at(content)).at(0);
      }
    }
  }
  if (!group.left_out.empty()) {
    config.reject_unknown();
    return group;
  }
  group.run = Config::parse(config.at("run").dump(), fmt::format("{}: {}", config.origin(), config.at("run").path()));
  const Config run = config.at("run");
  std::vector<std::string_view> keys;
  const std::vector<std::string> commands = run.keys();
  keys.assign(commands.begin(), commands.end());
  run.ignore(keys);
  const Config predicted = config.at("predicted");
  for (const std::string& column : predicted.keys()) {
    if (std::find(file.measured.begin(), file.measured.end(), column) == file.measured.end()) {
      predicted.at(column).fail(
          fmt::format("'{}' is no measured column of the file{}", printable(column), suggest(column, file.measured)));
    }
    group.formulas.emplace_back(column, predicted.at(column).string());
  }
  return group;
}

}  // namespace

MeasuredTables read_measured_tables(const Config& config) {
  static const std::vector<std::string> kKeys = {"name",   "description", "kind",   "sources",
                                                 "target", "files",       "define", "groups"};
  for (const std::string& key : config.keys()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      config.at(key).fail(fmt::format("unknown key '{}'{}", printable(key), suggest(key, kKeys)));
    }
  }
  MeasuredTables tables{.name = config.at("name").string(),
                        .target = config.at("target").number(),
                        .files = read_files(config.at("files")),
                        .definitions = read_definitions(config),
                        .groups = {}};
  for (const Config& group : config.at("groups").elements()) {
    tables.groups.push_back(read_group(group, tables));
  }
  return tables;
}

}  // namespace moesaic
