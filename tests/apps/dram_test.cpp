// moesaic dram as a user types it.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

TEST(DramCommand, AllPathsOfAMemory) {
  const Json json = json_of("dram --memory hbm3e-8000", "dram.json");
  ASSERT_EQ(json["paths"].size(), 5u);
  EXPECT_DOUBLE_EQ(json["bytes"].get<double>(), 4096.0 * 14336 * 2);
  for (const Json& path : json["paths"]) {
    const double attained = path["attained_bytes_per_s"].get<double>();
    EXPECT_NEAR(attained, json["bytes"].get<double>() / path["seconds"].get<double>(), attained * 1e-9);
    double bit = 0;
    for (const auto& [step, energy] : path["picojoules_per_bit"].items()) {
      bit += energy.get<double>();
    }
    EXPECT_NEAR(path["joules"].get<double>(), bit * 1e-12 * 8 * json["bytes"].get<double>(), 1e-12);
  }
}

// 1 MiB over 160 channels are 6554 B of each: 204.8 accesses of 32 B, so that the fullest has 205; in stripes of 4,
// 208.
TEST(DramCommand, CommandsOfTheFullestChannel) {
  const Json json = json_of("dram --path buffer --bytes 1MiB", "dram.json");
  EXPECT_EQ(json["paths"][0]["commands"]["read"], 208);
  EXPECT_EQ(json["paths"][0]["commands"]["activate"], 8);  // two rows of four banks
  EXPECT_EQ(json["paths"][0]["commands"]["refresh"], 0);
}

TEST(DramCommand, WritesAndUpdates) {
  const Json writes = json_of("dram --path bank --bytes 10MB --write", "dram.json")["paths"][0];
  EXPECT_EQ(writes["commands"]["read"], 0);
  const Json updates = json_of("dram --path bank --bytes 10MB --update", "dram.json")["paths"][0];
  EXPECT_EQ(updates["commands"]["read"], writes["commands"]["write"]);
  EXPECT_EQ(updates["commands"]["write"], writes["commands"]["write"]);
  EXPECT_FALSE(updates.contains("closed_form_seconds"));
  EXPECT_EQ(run_line("dram --update").code, 0);
}

TEST(DramCommand, OptionsOfPaths) {
  const auto share = [](const std::string& options) {
    return json_of("dram --bytes 100MB " + options, "dram.json")["paths"][0]["share"].get<double>();
  };
  EXPECT_GT(share("--path logic-pim --turns 4"), 1.2 * share("--path logic-pim"));
  EXPECT_GT(share("--path external --queue 128"), share("--path external --queue 8"));
  const auto nominal = [](const std::string& options) {
    return json_of("dram --path bank " + options, "dram.json")["paths"][0]["nominal_bytes_per_s"].get<double>();
  };
  EXPECT_NEAR(nominal("--power-limit 6"), nominal("") * 4 / 6, 1e3);
  EXPECT_NEAR(nominal("--interleave 1"), nominal("") / 2, 1e3);  // one rank: every nCCDL
}

TEST(DramCommand, Mistakes) {
  expect_mistake("dram --memory hbm3-52000", {"--memory", "hbm3-5200"});
  expect_mistake("dram --path banks", {"--path", "bank"});
  expect_mistake("dram --bytes 112", {"--bytes", "unit"});
  expect_mistake("dram --bytes 0B", {"--bytes"});
  expect_mistake("dram --bytes 1PB", {"--bytes", "85.9 GB"});
  expect_mistake("dram --path bank --interleave 3", {"--interleave", "1 to 2"});
  expect_mistake("dram --path bank --turns 2", {"--turns", "1 to 1"});
  expect_mistake("dram --turns -1 --path logic-pim", {"--turns"});
  expect_mistake("dram --power-limit 3", {"--power-limit", "4 to 1024"});
  expect_mistake("dram --queue 1025", {"--queue", "1 to 1024"});
  expect_mistake("dram --write --update", {"--update"});
}

}  // namespace
}  // namespace moesaic
