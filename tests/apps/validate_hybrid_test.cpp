// moesaic validate hybrid: tables made up here, from the files to the reports; every number is judged or has a reason.
#include <filesystem>
#include <fstream>

#include "base/catalog.hpp"
#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class Tables : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder();
    fs::create_directories(folder_ / "e2e");
    write("e2e/table.csv",
          "engine,gpu,batch,prompt,time_s,rate,note\n"
          "streamer,small,2,64,10.0,,\n"
          "streamer,small,,64,10.0,,\n"
          "streamer,large,2,64,,0.5,\"a, b\"\n"
          "trainer,small,2,64,1.0,,\n"
          "unheard-of,small,2,64,1.0,2.0,\n");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  std::string line(const std::string& groups) const {
    write("tables.json", R"({"name": "made up", "target": 0.2,
      "files": {"table.csv": {"measured": ["time_s", "rate"], "about": ["engine", "gpu", "batch"]}},
      "define": {"placements": {"all-streamed": {"name": "all-streamed", "dense": {"device": 0}}}},
      "groups": [)" + groups +
                             "]}");
    return "validate hybrid --data " + folder_.string() + " --tables " + (folder_ / "tables.json").string();
  }

  static std::string streamer(const std::string& time = "it.end_to_end_s") {
    return R"({"name": "streamer", "file": "table.csv", "where": {"engine": "streamer"},
      "words": {"gpu": {"small": "l4", "large": "xeon-8380-a40"}},
      "run": {"predict": {"model": "mixtral-8x7b-v0.1", "machine": "xeon-8380-a40", "placement": "all-streamed",
                          "batch": "{batch}", "input": "{prompt}", "output": 4}},
      "predicted": {"time_s": ")" +
           time + R"("}})";
  }
  static constexpr const char* kTrainer =
      R"({"name": "trainer", "file": "table.csv", "where": {"engine": ["trainer"]}, "left_out": "it is training"})";

  fs::path folder_;
};

TEST_F(Tables, EveryNumberIsJudgedOrHasAReason) {
  const Json json = json_of(line(streamer() + ", " + kTrainer), "table_validation.json");
  ASSERT_EQ(json["rows"].size(), 1u) << json;
  const Json& row = json["rows"][0];
  EXPECT_EQ(row["line"], 2);
  EXPECT_EQ(row["measured"], 10.0);
  EXPECT_EQ(row["about"], "streamer, small, batch 2");
  EXPECT_DOUBLE_EQ(row["error"].get<double>(), row["predicted"].get<double>() / 10 - 1);
  std::vector<std::pair<int, std::string>> reasons;
  for (const Json& left : json["left_out"]) {
    reasons.emplace_back(left["line"].get<int>(), left["reason"].get<std::string>());
  }
  const std::vector<std::pair<int, std::string>> expected = {{3, "the row does not say its batch"},
                                                             {4, "its group has no formula for this column"},
                                                             {5, "it is training"},
                                                             {6, "no group has such rows"},
                                                             {6, "no group has such rows"}};
  EXPECT_EQ(reasons, expected);
}

// The prediction of a row is that of the command with the row's fields in it.
TEST_F(Tables, ARowIsItsCommand) {
  write("placement.json", R"({"name": "all-streamed", "dense": {"device": 0}})");
  const Json json = json_of(line(streamer()), "table_validation.json");
  const Json predicted =
      json_of("predict --model mixtral-8x7b-v0.1 --machine xeon-8380-a40 --batch 2 --input 64 --output 4 --placement " +
                  (folder_ / "placement.json").string(),
              "prediction.json");
  EXPECT_EQ(json["rows"][0]["predicted"], predicted["end_to_end_s"]);
}

TEST_F(Tables, CsvAndTextHaveThemAll) {
  const std::string command = line(streamer() + ", " + kTrainer);
  const std::string csv = run_line(command + " --format csv").out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 6);
  const std::string text = run_line(command).out;
  for (const char* part : {"streamer", "5 numbers have no prediction", "it is training", "median error"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << '\n' << text;
  }
}

TEST_F(Tables, Mistakes) {
  expect_mistake(line(streamer("it.decode.secnds_per_step")), {"predicted.time_s", "seconds_per_step"});
  expect_mistake(line(streamer()) + " --group nobody", {"--group", "nobody"});
  expect_mistake(line(R"({"name": "x", "file": "tabel.csv", "where": {}, "left_out": "y"})"), {"table.csv"});
  expect_mistake(line(R"({"name": "x", "file": "table.csv", "where": {"gpus": "l4"}, "left_out": "y"})"), {"gpus"});
  expect_mistake(line(R"({"name": "x", "file": "table.csv", "where": {}, "run": {"predict": {}},
                          "predicted": {"tmie_s": "1"}})"),
                 {"tmie_s", "time_s"});
  fs::remove(folder_ / "e2e" / "table.csv");
  expect_mistake(line(streamer()), {"--data", "table.csv"});
}

TEST(ShippedTables, FitTheirSchema) {
  for (const CatalogEntry& entry : list_catalog("validation")) {
    std::ifstream in(entry.file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(violation("tables.json", text), "") << entry.file;
  }
}

// What a machine's file says was measured on it stands for what hosts have in general: the step scales with it.
TEST(Attained, AMachineSaysItsOwn) {
  const std::string command =
      "predict --model mixtral-8x7b-v0.1 --machine xeon-8380-a40 --placement ring --profile default --batch 1 "
      "--input 64 --output 4";
  const auto step = [&](const std::string& sets) {
    return json_of(command + sets, "prediction.json")["decode"]["seconds_per_step"].get<double>();
  };
  // Default copies attain 0.8 of the link (configs/profiles/default.json); the step is those copies and little else.
  EXPECT_DOUBLE_EQ(step(" --set device.host_link.attained=0.8"), step(""));
  EXPECT_NEAR(step(" --set device.host_link.attained=0.4") / step(""), 2, 0.02);
  expect_mistake(command + " --set host.attained.memory=1.2", {"attained.memory", "at most 1"});
  expect_mistake(command + " --set host.attained.memroy=0.5", {"memroy", "memory"});
}

}  // namespace
}  // namespace moesaic
