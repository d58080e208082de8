// Memories as files: those shipped fit their schema and have a source for every figure; mistakes get one clear line.
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/catalog.hpp"
#include "hw/dram/access_path.hpp"
#include "tests/schema/violation.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json document(const std::string& name) {
  return Json::parse(std::ifstream(find_in_catalog("memories", "memory", name).file));
}

Dram read(const Json& json) { return read_dram(Config::parse(json.dump(), "mine.json")); }

TEST(DramRead, EveryShippedMemoryFits) {
  const auto entries = list_catalog("memories");
  EXPECT_GE(entries.size(), 2u);
  for (const CatalogEntry& entry : entries) {
    const Json json = document(entry.name);
    EXPECT_EQ(violation("memory.json", json.dump()), "") << entry.file;
    EXPECT_EQ(load_dram(entry.name)->name, entry.name);
    for (const char* figure : {"stacks", "stack", "clock_period", "timing", "queue", "energy"}) {
      EXPECT_TRUE(json["sources"].contains(figure)) << entry.file << " " << figure;
    }
    for (const auto& [path, source] : json["sources"].items()) {
      std::string pointer = "/" + path;
      std::replace(pointer.begin(), pointer.end(), '.', '/');
      EXPECT_TRUE(json.contains(Json::json_pointer(pointer))) << entry.file << ": a source for nothing: " << path;
      EXPECT_GE(source.get<std::string>().size(), 10u) << entry.file << ": " << path;
    }
  }
}

// Five stacks of 16 GiB; 160 pseudo channels of 32 B every two periods of 4/5.2 ns: 20.8 GB/s each.
TEST(DramRead, OrganisationOfHbm3) {
  const Dram dram = *load_dram("hbm3-5200");
  EXPECT_DOUBLE_EQ(dram.capacity().value, 5 * 16 * 0x1p30);
  EXPECT_NEAR(dram.peak().value, 160 * 20.8e9, 1e4);
  EXPECT_EQ(dram.columns(), 32);
  EXPECT_EQ(dram.timing.nRFC, 585);  // 450 ns / 0.769 ns = 585.0
}

// Eight stacks of 24 GiB; 256 pseudo channels of 32 B every nanosecond.
TEST(DramRead, OrganisationOfHbm3e) {
  const Dram dram = *load_dram("hbm3e-8000");
  EXPECT_DOUBLE_EQ(dram.capacity().value, 192 * 0x1p30);
  EXPECT_NEAR(dram.peak().value, 8.192e12, 1);
  EXPECT_EQ(dram.timing.nRFC, 1220);
}

TEST(DramRead, MistakesNameFileAndPath) {
  const std::vector<std::pair<const char*, Json>> mistakes = {{"/stacks", 0},
                                                              {"/stacks", "five"},
                                                              {"/stack/ranks", 1025},
                                                              {"/stack/rows", -1},
                                                              {"/stack/row", "1.5 B"},
                                                              {"/stack/access", "48 B"},
                                                              {"/stack/access", "2 KiB"},
                                                              {"/clock_period", "0 s"},
                                                              {"/clock_period", 0.769},
                                                              {"/timing/nRCD", 0},
                                                              {"/timing/nRCD", 1.5},
                                                              {"/timing/nCCDL", 1},
                                                              {"/timing/tRFC", "3.9 us"},
                                                              {"/energy/cell", "0.44 pJ"},
                                                              {"/energy/activate_row", "0.909"}};
  for (const auto& [pointer, value] : mistakes) {
    Json json = document("hbm3-5200");
    json[Json::json_pointer(pointer)] = value;
    std::string path = pointer + 1;
    std::replace(path.begin(), path.end(), '/', '.');
    const std::string message = user_error([&] { return read(json); });
    EXPECT_TRUE(message.starts_with("mine.json: " + path)) << message;
  }
}

TEST(DramRead, SuggestsNames) {
  Json json = document("hbm3-5200");
  json["timing"]["nRDC"] = 19;
  EXPECT_NE(user_error([&] { return read(json); }).find("nRDC"), std::string::npos);
  EXPECT_NE(user_error([] { return load_dram("hbm3-5300"); }).find("did you mean 'hbm3-5200'"), std::string::npos);
  const Dram dram = *load_dram("hbm3-5200");
  EXPECT_NE(user_error([&] { return access_path("logic_pim", dram); }).find("did you mean 'logic-pim'"),
            std::string::npos);
}

TEST(DramRead, ReferencesAreNamesOrObjects) {
  const Config device = Config::parse(R"({"memory": "hbm3e-8000", "other": "no-such"})", "device.json");
  EXPECT_EQ(read_dram_reference(device.at("memory"))->name, "hbm3e-8000");
  const std::string message = user_error([&] { return read_dram_reference(device.at("other")); });
  EXPECT_TRUE(message.starts_with("device.json: other: ")) << message;
  Json own = {{"memory", document("hbm3-5200")}};
  own["memory"]["stacks"] = 6;
  EXPECT_EQ(read_dram_reference(Config::parse(own.dump(), "own.json").at("memory"))->stacks, 6);
}

TEST(DramRead, PathsAreNamesOrObjects) {
  const Dram dram = *load_dram("hbm3-5200");
  const Config config = Config::parse(R"({"plain": "bank", "slow": {"path": "bank", "power_limit": 6},
      "spread": {"path": "logic-pim", "turns": 4}, "wide": {"path": "logic-pim", "turns": 5},
      "fast": {"path": "bank", "power_limit": 3}, "wrong": {"path": "banks"}})",
                                      "paths.json");
  EXPECT_EQ(read_access_path(config.at("plain"), dram).rank_spacing, 4);
  EXPECT_EQ(read_access_path(config.at("slow"), dram).rank_spacing, 6);
  EXPECT_EQ(read_access_path(config.at("spread"), dram).turns, 4);
  for (const char* key : {"wide", "fast", "wrong"}) {
    const std::string message = user_error([&] { return read_access_path(config.at(key), dram); });
    EXPECT_TRUE(message.starts_with("paths.json: " + std::string(key))) << message;
  }
}

TEST(DramSchema, RefusesBrokenDocuments) {
  const Json good = document("hbm3-5200");
  ASSERT_EQ(violation("memory.json", good.dump()), "");
  const std::pair<const char*, Json> broken[] = {
      {"/stacks", 0},        {"/stack/row", 1024},   {"/timing/nRCD", 0},
      {"/timing/tRFC", 585}, {"/energy/cell", 0.44}, {"/energy/wire", "1 pJ/b"},
      {"/kind", "memories"}, {"/colour", "green"},   {"/clock_period", "1"}};
  for (const auto& [pointer, value] : broken) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    EXPECT_NE(violation("memory.json", json.dump()), "") << pointer;
  }
}

}  // namespace
}  // namespace moesaic
