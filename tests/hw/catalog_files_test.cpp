// The shipped files as documents: names, kinds, and a source for every figure.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/hw/every_machine.hpp"

namespace moesaic {
namespace {

// Paths of all figures below `config`: what is a number, or a string that begins like one.
void collect_figures(const Config& config, const std::string& path, std::vector<std::string>& paths) {
  if (config.is_object()) {
    if (config.has("sources") && !path.empty()) {
      return;  // an inline host or device has sources of its own
    }
    for (const std::string& key : config.keys()) {
      if (key != "sources" && key != "name" && key != "description" && key != "kind") {
        collect_figures(config.at(key), path.empty() ? key : path + "." + key, paths);
      }
    }
  } else if (config.is_number() || (config.is_string() && config.string().find_first_of("$0123456789") == 0)) {
    paths.push_back(path);
  }
}

// Whether `source` is `path` or one of the objects it lies in.
bool covers(const std::string& source, const std::string& path) {
  return path.starts_with(source) && (path.size() == source.size() || path[source.size()] == '.');
}

void expect_sources(const Config& config, const std::string& file) {
  std::vector<std::string> figures;
  collect_figures(config, "", figures);
  EXPECT_FALSE(figures.empty()) << file;
  const std::vector<std::string> sources = config.at("sources").keys();
  for (const std::string& figure : figures) {
    EXPECT_TRUE(std::any_of(sources.begin(), sources.end(), [&](const auto& source) { return covers(source, figure); }))
        << file << ": no source for " << figure;
  }
  for (const std::string& source : sources) {
    const Config text = config.at("sources").at(source);
    EXPECT_GE(text.string().size(), 10u) << file << ": " << source;
    EXPECT_TRUE(
        std::any_of(figures.begin(), figures.end(), [&](const auto& figure) { return covers(source, figure); }) ||
        source == "device" || source == "host" || source == "node" || source == "fabric")
        << file << ": a source for nothing: " << source;
  }
}

TEST(CatalogFiles, EveryFigureHasASource) {
  for (const CatalogEntry& entry : list_catalog("machines")) {
    const Config config = Config::load(entry.file);
    expect_sources(config, entry.file.string());
    for (const char* part : {"device", "host"}) {
      if (config.has(part) && config.at(part).is_object()) {
        expect_sources(config.at(part), entry.file.string() + " " + part);
      }
    }
  }
}

TEST(CatalogFiles, NamesAreUniqueAndThoseOfTheFiles) {
  std::set<std::string> names;
  for (const CatalogEntry& entry : list_catalog("machines")) {
    const Config config = Config::load(entry.file);
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(config.at("name").string(), entry.name) << entry.file;
    EXPECT_FALSE(config.at("description").string().empty()) << entry.file;
    EXPECT_EQ(config.at("kind").string() + "s", entry.file.parent_path().filename()) << entry.file;
  }
}

TEST(CatalogFiles, DevicesAreComplete) {
  for (const CatalogEntry& entry : list_catalog("machines")) {
    const Config config = Config::load(entry.file);
    if (config.at("kind").string() == "device") {
      for (const char* key : {"vendor", "power", "price", "host_link"}) {
        EXPECT_TRUE(config.has(key)) << entry.file << ": " << key;
      }
    }
  }
}

TEST(CatalogFiles, ListedFromLargeToSmall) {
  const std::vector<MachineSummary> machines = list_machines();
  EXPECT_EQ(machines.size(), list_catalog("machines").size());
  const auto first = [&](const std::string& kind) {
    return std::find_if(machines.begin(), machines.end(), [&](const auto& machine) { return machine.kind == kind; });
  };
  EXPECT_EQ(first("cluster"), machines.begin());
  EXPECT_LT(first("cluster"), first("node"));
  EXPECT_LT(first("node"), first("device"));
  EXPECT_LT(first("device"), first("host"));
  EXPECT_TRUE(
      std::is_sorted(first("node"), first("device"), [](const auto& a, const auto& b) { return a.name < b.name; }));
}

TEST(CatalogFiles, HasEveryDeviceAndNode) {
  const std::vector<std::string> names = every_machine();
  for (const char* name : {"t4",
                           "l4",
                           "l40s",
                           "a10",
                           "a40",
                           "a100-40gb-sxm",
                           "a100-80gb-sxm",
                           "a100-40gb-pcie",
                           "a100-80gb-pcie",
                           "h100-sxm",
                           "h100-pcie",
                           "h100-nvl",
                           "h800",
                           "h20",
                           "h200",
                           "gh200",
                           "b200",
                           "b300",
                           "gb200",
                           "rtx-4090",
                           "rtx-5090",
                           "rtx-pro-6000",
                           "mi250x",
                           "mi300x",
                           "mi325x",
                           "mi355x",
                           "gaudi-2",
                           "gaudi-3",
                           "tpu-v5e",
                           "tpu-v5p",
                           "tpu-v6e",
                           "intel-b60",
                           "duplex",
                           "dgx-a100",
                           "dgx-h100",
                           "dgx-h200",
                           "dgx-b200",
                           "gb200-nvl72",
                           "hgx-h20",
                           "hgx-h800",
                           "mi300x-8",
                           "l40s-8-pcie",
                           "xeon-8380-a40",
                           "desktop-4090",
                           "desktop-5090",
                           "workstation-4090",
                           "duplex-4"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
  for (const char* host : {"epyc-9654", "xeon-8380", "xeon-6454s", "grace"}) {
    EXPECT_EQ(Config::load(find_in_catalog("machines", "machine", host).file).at("kind").string(), "host") << host;
  }
}

TEST(CatalogFiles, NamesAsMakersWriteThem) {
  for (const auto& [typed, name] : std::map<std::string, std::string>{{"RTX PRO 6000", "rtx-pro-6000"},
                                                                      {"TPU v5e", "tpu-v5e"},
                                                                      {"A100_80GB SXM", "a100-80gb-sxm"},
                                                                      {"EPYC 9654", "epyc-9654"},
                                                                      {"B60", "intel-b60"}}) {
    EXPECT_EQ(find_in_catalog("machines", "machine", typed).name, name) << typed;
  }
}

}  // namespace
}  // namespace moesaic
